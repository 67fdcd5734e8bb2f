package mysql

// The words for an event's status in the server's text. A replica's word differs between servers.
const (
	statusEnabled  = "ENABLE"
	statusDisabled = "DISABLE"
)

// statusOf finds an event's status in the text that the server writes: CREATE … EVENT name ON SCHEDULE …
// ON COMPLETION [NOT] PRESERVE status [COMMENT '…'] DO …. Where there is none, from is to.
func statusOf(text string) (from, to int) {
	tokens := tokenize(text)
	for i := range tokens {
		if !isWord("PRESERVE")(tokens[i]) {
			continue
		}
		for j := i + 1; j < len(tokens); j++ {
			if isWord("COMMENT")(tokens[j]) || isWord("DO")(tokens[j]) {
				last := tokens[j-1]
				return tokens[i+1].offset, last.offset + len(last.text)
			}
		}
	}
	return 0, 0
}

// withStatus gives an event another status.
func withStatus(text, status string) string {
	from, to := statusOf(text)
	if from == to {
		return text
	}
	return text[:from] + status + text[to:]
}
