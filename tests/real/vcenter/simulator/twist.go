// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// A property that is answered in another way than the simulator would.
type twist struct {
	Kind  string `json:"kind"`  // of the objects: "HostSystem"
	Name  string `json:"name"`  // or the object's id; empty: all of the kind
	Path  string `json:"path"`  // of the property; empty: all
	Value string `json:"value"` // XML in place of <val>; empty: the property is left out
	Fault string `json:"fault"` // why it is missing: "NoPermission"
}

var (
	objectRef = regexp.MustCompile(`<obj type="(\w+)">([^<]*)</obj>`)
	propSet   = regexp.MustCompile(`(?s)<propSet><name>([\w.]+)</name>(<val.*?)</propSet>`)
	text      = regexp.MustCompile(`>([^<]+)</val>`)
)

// Applies the twists to an answer of the property collector.
func twistAnswer(answer []byte, twists []twist) []byte {
	if len(twists) == 0 {
		return answer
	}
	return objects.ReplaceAllFunc(answer, func(object []byte) []byte {
		return []byte(twistObject(string(object), twists))
	})
}

func nameOf(object string) string {
	for _, set := range propSet.FindAllStringSubmatch(object, -1) {
		if name := text.FindStringSubmatch(set[2]); set[1] == "name" && name != nil {
			return name[1]
		}
	}
	return ""
}

func (t *twist) propSet(path string) string {
	return "<propSet" + xsiDeclared + "><name>" + path + "</name>" + t.Value + "</propSet>"
}

func twistObject(object string, twists []twist) string {
	ref, name := objectRef.FindStringSubmatch(object), nameOf(object)
	for _, one := range twists {
		if ref == nil || ref[1] != one.Kind || (one.Name != "" && one.Name != name && one.Name != ref[2]) {
			continue
		}
		missing, added := "", ""
		if one.Path != "" && one.Value != "" && !strings.Contains(object, "<propSet><name>"+one.Path+"</name>") {
			added = one.propSet(one.Path)
		}
		object = propSet.ReplaceAllStringFunc(object, func(set string) string {
			path := propSet.FindStringSubmatch(set)[1]
			if one.Path != "" && one.Path != path {
				return set
			}
			if one.Fault != "" {
				missing += "<missingSet" + xsiDeclared + "><path>" + path + `</path><fault><fault xsi:type="` + one.Fault +
					`"><object type="` + ref[1] + `">` + ref[2] + "</object><privilegeId>System.Read</privilegeId></fault>" +
					"<localizedMessage></localizedMessage></fault></missingSet>"
			}
			if one.Value == "" {
				return ""
			}
			return one.propSet(path)
		})
		object = strings.Replace(object, "</objects>", added+missing+"</objects>", 1)
	}
	return object
}
