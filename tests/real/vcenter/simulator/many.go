// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A vCenter of any size: each host and VM of the inventory many times over, in the answers alone.
//
// The property collector of govmomi's simulator copies all objects for each request, which takes minutes for
// 10,000 VMs. Here it is asked for the inventory's own, and their XML is repeated with other ids and names.

const (
	updatesMax  = 100 // so many objects a vCenter puts into an answer of WaitForUpdatesEx
	xsiDeclared = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
)

var (
	traversal  = regexp.MustCompile(`ContainerView</type>`)
	kindAsked  = regexp.MustCompile(`<propSet><type>(HostSystem|VirtualMachine)</type>`)
	maxObjects = regexp.MustCompile(`<maxObjects>(\d+)</maxObjects>`)
	tokenAsked = regexp.MustCompile(`<(?:token|version)>many-(\d+)</`)
	objects    = regexp.MustCompile(`(?s)<objects>.*?</objects>`)
	objectSet  = regexp.MustCompile(`(?s)<objectSet>.*?</objectSet>`)
	kindGiven  = regexp.MustCompile(`<obj type="(HostSystem|VirtualMachine)">`)
	filter     = regexp.MustCompile(`<filter [^>]*>[^<]*</filter>`)
	// What differs from copy to copy.
	named = regexp.MustCompile(`\b(?:host|vm)-\d+\b|\bDC0_(?:\w+_)?(?:H|VM)\d+\b`)
)

// The XML of one object, cut at what differs from copy to copy.
type template struct {
	pieces, names []string
}

func newTemplate(text string) template {
	made, from := template{}, 0
	for _, at := range named.FindAllStringIndex(text, -1) {
		made.pieces = append(made.pieces, text[from:at[0]])
		made.names = append(made.names, text[at[0]:at[1]])
		from = at[1]
	}
	made.pieces = append(made.pieces, text[from:])
	return made
}

// The VMs of a copy are on the hosts of a copy; the first copy is the inventory itself.
func (t template) write(w *bytes.Buffer, number, hosts int) {
	for i, name := range t.names {
		copied := number
		if strings.HasPrefix(name, "host-") || !strings.Contains(name, "VM") && !strings.HasPrefix(name, "vm-") {
			copied %= max(hosts, 1)
		}
		w.WriteString(t.pieces[i])
		w.WriteString(name)
		if copied > 0 {
			fmt.Fprintf(w, "-%d", copied)
		}
	}
	w.WriteString(t.pieces[len(t.pieces)-1])
}

// An answer in several pages.
type book struct {
	method    string
	each      *regexp.Regexp // what an object is
	templates []template
	filter    string // of WaitForUpdatesEx
	at, total int    // objects
	hosts     int    // copies of each host
	page      int
}

// Answers a request for properties; false: it is about something else than all hosts or all VMs.
func (f *front) answerMany(w *httptest.ResponseRecorder, seen *entry, body []byte, next func([]byte) *httptest.ResponseRecorder) bool {
	found := f.turnPage(seen, body)
	if found == nil {
		made, request := f.openBook(seen, body)
		if made == nil {
			return false
		}
		answer := restyle(next(request).Body.Bytes(), "vcenter")
		if !f.fillBook(made, string(answer)) {
			// An answer of WaitForUpdatesEx is given once.
			_, _ = w.Write(answer)
			return true
		}
		found = made
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write(f.writePage(found))
	return true
}

// Returns the request for the inventory's own objects; nil: this request is about something else.
func (f *front) openBook(seen *entry, body []byte) (*book, []byte) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	made := &book{method: seen.Soap, page: updatesMax, each: objectSet}
	switch {
	case f.settings.Hosts == 0:
		return nil, nil
	case seen.Soap == "RetrievePropertiesEx" && traversal.Match(body) && kindAsked.Match(body):
		made.each = objects
		if page := maxObjects.FindSubmatch(body); page != nil {
			made.page, _ = strconv.Atoi(string(page[1]))
		}
		return made, maxObjects.ReplaceAll(body, []byte("<maxObjects>1000</maxObjects>"))
	case seen.Soap == "WaitForUpdatesEx":
		return made, body
	}
	return nil, nil
}

// Takes the objects of an answer; false: they are neither hosts nor VMs.
func (f *front) fillBook(b *book, answer string) bool {
	kind := kindGiven.FindStringSubmatch(answer)
	if kind == nil {
		return false
	}
	for _, text := range b.each.FindAllString(answer, -1) {
		b.templates = append(b.templates, newTemplate(strings.ReplaceAll(text, xsiDeclared, "")))
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	b.filter = filter.FindString(answer)
	b.hosts = max(f.settings.Hosts/len(f.model.Service.Context.Map.All("HostSystem")), 1)
	b.total = f.settings.Hosts
	if kind[1] == "VirtualMachine" {
		b.total = f.settings.VMs
	}
	return true
}

func (f *front) turnPage(seen *entry, body []byte) *book {
	token := tokenAsked.FindSubmatch(body)
	if token == nil || (seen.Soap != "ContinueRetrievePropertiesEx" && seen.Soap != "WaitForUpdatesEx") {
		return nil
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	found := f.books[string(token[1])]
	delete(f.books, string(token[1]))
	return found
}

func (f *front) writePage(b *book) []byte {
	page := &bytes.Buffer{}
	end := min(b.at+b.page, b.total)
	for ; b.at < end; b.at++ {
		b.templates[b.at%len(b.templates)].write(page, b.at/len(b.templates), b.hosts)
	}
	token := ""
	if b.at < b.total {
		f.mutex.Lock()
		f.turn++
		token = strconv.Itoa(f.turn)
		f.books[token] = b
		f.mutex.Unlock()
	}
	text := &bytes.Buffer{}
	fmt.Fprintf(text, `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"%s><soapenv:Body><%sResponse xmlns="urn:vim25"><returnval>`,
		xsiDeclared, b.method)
	if b.method == "WaitForUpdatesEx" {
		fmt.Fprintf(text, "<version>many-%s</version><filterSet>%s%s</filterSet><truncated>%t</truncated>", token, b.filter, page, token != "")
	} else {
		if token != "" {
			fmt.Fprintf(text, "<token>many-%s</token>", token)
		}
		text.Write(page.Bytes())
	}
	fmt.Fprintf(text, "</returnval></%sResponse></soapenv:Body></soapenv:Envelope>", b.method)
	if b.method == "RetrievePropertiesEx" {
		b.method = "ContinueRetrievePropertiesEx"
	}
	return text.Bytes()
}

// Gives hosts and VMs what real ones have beside the few devices and settings that the tests need.
func enlarge(model *simulator.Model) {
	for _, one := range model.Service.Context.Map.All("HostSystem") {
		host := one.(*simulator.HostSystem)
		host.Hardware.PciDevice, host.Config.PciPassthruInfo = nil, nil
		for slot := range 8 {
			addGPU(host, byte(0x3b+slot), gpu{device: 0x2330, name: "GH100 [H100 SXM5 80GB]", capable: true, enabled: true, active: true})
		}
		for slot := range 64 {
			addOther(host, byte(0x80+slot))
		}
	}
	for _, one := range model.Service.Context.Map.All("VirtualMachine") {
		vm := one.(*simulator.VirtualMachine)
		for number := range 48 {
			addSetting(&vm.Config.ExtraConfig, number)
		}
	}
	for _, one := range filled {
		for number := range 48 {
			addSetting(&one.common, number)
		}
	}
}

// A setting that every VM has.
func addSetting(list *[]types.BaseOptionValue, number int) {
	*list = append(*list, &types.OptionValue{Key: fmt.Sprintf("pciBridge%d.functions", number), Value: strconv.Itoa(number)})
}

// A device that no VM can have: a bridge, a root port.
func addOther(host *simulator.HostSystem, bus byte) {
	id := fmt.Sprintf("0000:%02x:01.0", bus)
	host.Hardware.PciDevice = append(host.Hardware.PciDevice, types.HostPciDevice{
		Id: id, ClassId: 0x0604, Bus: bus, Slot: 1, VendorId: signed(intel), DeviceId: 0x352a,
		VendorName: "Intel Corporation", DeviceName: "Sapphire Rapids PCIe Root Port",
	})
	host.Config.PciPassthruInfo = append(host.Config.PciPassthruInfo, &types.HostPciPassthruInfo{Id: id, DependentDevice: id})
}
