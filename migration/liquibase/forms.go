package liquibase

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// text is a scalar of any kind, as it is written.
type text string

// UnmarshalJSON takes numbers and booleans as they are.
func (t *text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*t = text(s)
		return err
	}
	if string(data) != "null" {
		*t = text(data)
	}
	return nil
}

// UnmarshalYAML writes a number as Liquibase does, to which the id 1.0 is a number of Java: "1.0", and 1.10 is "1.1".
func (t *text) UnmarshalYAML(unmarshal func(any) error) error {
	var value any
	if err := unmarshal(&value); err != nil {
		return err
	}
	switch v := value.(type) {
	case nil:
	case float64:
		*t = text(strconv.FormatFloat(v, 'f', -1, 64))
		if !strings.Contains(string(*t), ".") {
			*t += ".0"
		}
	case string, bool, uint64, int64:
		*t = text(fmt.Sprint(v))
	default:
		return fmt.Errorf("a plain value is wanted, not %v", v)
	}
	return nil
}

// attributes are what is read of a change set, an include and an includeAll.
type attributes struct {
	ID        text `json:"id" yaml:"id"`
	Author    text `json:"author" yaml:"author"`
	Logical   text `json:"logicalFilePath" yaml:"logicalFilePath"`
	File      text `json:"file" yaml:"file"`
	Path      text `json:"path" yaml:"path"`
	Relative  text `json:"relativeToChangelogFile" yaml:"relativeToChangelogFile"`
	Missing   text `json:"errorIfMissingOrEmpty" yaml:"errorIfMissingOrEmpty"`
	Suffix    text `json:"endsWithFilter" yaml:"endsWithFilter"`
	Filter    text `json:"filter" yaml:"filter"`
	Resources text `json:"resourceFilter" yaml:"resourceFilter"`
	Order     text `json:"resourceComparator" yaml:"resourceComparator"`
	MinDepth  text `json:"minDepth" yaml:"minDepth"`
	MaxDepth  text `json:"maxDepth" yaml:"maxDepth"`
}

// item is one element of a changelog's list.
type item struct {
	ChangeSet  *attributes `json:"changeSet" yaml:"changeSet"`
	Include    *attributes `json:"include" yaml:"include"`
	IncludeAll *attributes `json:"includeAll" yaml:"includeAll"`
	Logical    text        `json:"logicalFilePath" yaml:"logicalFilePath"`
}

// document is a changelog in YAML or JSON.
type document struct {
	List []item `json:"databaseChangeLog" yaml:"databaseChangeLog"`
}

func parseYAML(content string) (*changelog, error) {
	var d document
	if err := yaml.Unmarshal([]byte(content), &d); err != nil {
		return nil, err
	}
	return d.changelog()
}

func parseJSON(content string) (*changelog, error) {
	var d document
	if err := json.Unmarshal([]byte(content), &d); err != nil {
		return nil, err
	}
	return d.changelog()
}

func (d *document) changelog() (*changelog, error) {
	if d.List == nil {
		return nil, errors.New("it holds no list databaseChangeLog")
	}
	c := &changelog{}
	for _, i := range d.List {
		if i.Logical != "" {
			c.logical = string(i.Logical)
		}
		if err := c.add(i, 0); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// add appends what an element is, where it is any of the three.
func (c *changelog) add(i item, line int) error {
	yes := func(t text) bool { return strings.EqualFold(string(t), "true") }
	switch {
	case i.ChangeSet != nil:
		a := i.ChangeSet
		c.entries = append(c.entries, entry{line: line, logical: string(a.Logical), change: &changeSet{id: string(a.ID), author: string(a.Author)}})
	case i.Include != nil:
		a := i.Include
		if a.Logical != "" {
			return fmt.Errorf("the include of %s gives it a logicalFilePath, which cannot be told from here: write it into that file", a.File)
		}
		c.entries = append(c.entries, entry{line: line, include: &include{file: string(a.File), relative: yes(a.Relative)}})
	case i.IncludeAll != nil:
		a := i.IncludeAll
		if a.Filter+a.Resources+a.Order+a.MinDepth+a.MaxDepth+a.Logical != "" {
			return fmt.Errorf("the includeAll of %s has a filter, an order, depths or a logicalFilePath, and what it includes cannot be told without Liquibase", a.Path)
		}
		optional := strings.EqualFold(string(a.Missing), "false")
		c.entries = append(c.entries, entry{line: line, all: &includeAll{path: string(a.Path), suffix: string(a.Suffix), relative: yes(a.Relative), optional: optional}})
	}
	return nil
}

// parseXML reads the elements below the root.
func parseXML(content string) (*changelog, error) {
	d := xml.NewDecoder(strings.NewReader(content))
	c := &changelog{}
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && depth == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		switch e := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			if err := c.element(e, depth, lineOf(d)); err != nil {
				return nil, err
			}
		}
	}
	if c.entries == nil {
		c.entries = []entry{}
	}
	return c, nil
}

// lineOf is the line that a decoder stands on.
func lineOf(d *xml.Decoder) int {
	line, _ := d.InputPos()
	return line
}

// element takes one element of XML: the root, or one of its children.
func (c *changelog) element(e xml.StartElement, depth, line int) error {
	values := map[string]text{}
	for _, a := range e.Attr {
		values[a.Name.Local] = text(a.Value)
	}
	if depth == 1 {
		if e.Name.Local != "databaseChangeLog" {
			return fmt.Errorf("line %d: its root is %s, not databaseChangeLog", line, e.Name.Local)
		}
		c.logical = string(values["logicalFilePath"])
	}
	if depth != 2 {
		return nil
	}
	a := &attributes{
		ID: values["id"], Author: values["author"], Logical: values["logicalFilePath"], File: values["file"], Path: values["path"],
		Relative: values["relativeToChangelogFile"], Missing: values["errorIfMissingOrEmpty"], Suffix: values["endsWithFilter"],
		Filter: values["filter"], Resources: values["resourceFilter"], Order: values["resourceComparator"], MinDepth: values["minDepth"], MaxDepth: values["maxDepth"],
	}
	var i item
	switch e.Name.Local {
	case "changeSet":
		i.ChangeSet = a
	case "include":
		i.Include = a
	case "includeAll":
		i.IncludeAll = a
	}
	return c.add(i, line)
}
