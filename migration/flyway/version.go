package flyway

import (
	"cmp"
	"hash/crc32"
	"strings"
	"unicode/utf16"
)

// version is a version's parts, without leading zeros, and without parts at its end that are zero.
type version []string

// parseVersion reads "1.10" or "1_10"; false = it is none.
func parseVersion(text string) (version, bool) {
	var v version
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "_", "."), ".") {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return nil, false
		}
		v = append(v, strings.TrimLeft(part, "0"))
	}
	for len(v) > 0 && v[len(v)-1] == "" {
		v = v[:len(v)-1]
	}
	return v, true
}

// compare orders versions by their numbers, part by part, of any length.
func (v version) compare(o version) int {
	for i := range max(len(v), len(o)) {
		var a, b string
		if i < len(v) {
			a = v[i]
		}
		if i < len(o) {
			b = o[i]
		}
		if c := cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)); c != 0 {
			return c
		}
	}
	return 0
}

// checksum is Flyway's: the CRC-32 of all lines without what ends them, and without a byte order mark, as a signed number.
func checksum(text string) int32 {
	text = strings.TrimPrefix(text, "\ufeff")
	return int32(crc32.ChecksumIEEE([]byte(strings.NewReplacer("\n", "", "\r", "").Replace(text))))
}

// javaHash is String.hashCode of Java.
func javaHash(text string) int32 {
	var h int32
	for _, unit := range utf16.Encode([]rune(text)) {
		h = h*31 + int32(unit)
	}
	return h
}
