// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"regexp"
)

var methodName = regexp.MustCompile(`<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)

// Returns the method that a SOAP request calls.
func soapMethod(body []byte) string {
	if found := methodName.FindSubmatch(body); found != nil {
		return string(found[1])
	}
	return ""
}

// What the prefixes of govmomi's XML become in each style.
var prefixes = map[string][][2]string{
	"simulator": nil,
	"vcenter":   {{"_XMLSchema-instance", "xsi"}},
	"other": {
		{"_XMLSchema-instance", "i"}, {"xmlns:xsi", "xmlns:x"}, {"xsi:", "x:"},
		{"xmlns:soapenv", "xmlns:S"}, {"<soapenv:", "<S:"}, {"</soapenv:", "</S:"},
	},
}

func restyle(body []byte, style string) []byte {
	for _, pair := range prefixes[style] {
		body = bytes.ReplaceAll(body, []byte(pair[0]), []byte(pair[1]))
	}
	return body
}

var notAuthenticated = []byte(`<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>` +
	`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>The session is not authenticated.</faultstring><detail>` +
	`<NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated"><object type="Folder">group-d1</object><privilegeId>System.View</privilegeId></NotAuthenticatedFault>` +
	`</detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`)

func soapCookie(r *http.Request) string {
	if cookie, err := r.Cookie("vmware_soap_session"); err == nil {
		return cookie.Value
	}
	return ""
}
