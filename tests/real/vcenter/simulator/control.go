// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
)

// What a test switches: PATCH /settings sets the members that it names.
type settings struct {
	Version         string   `json:"version"`
	Build           string   `json:"build"`
	InstanceUUID    string   `json:"instanceUuid"`
	ESXi            bool     `json:"esxi"`            // the address is a host's, not a vCenter's
	Service         string   `json:"service"`         // of namespace-management: "enabled", "disabled" or "missing"
	NewSession      bool     `json:"newSession"`      // POST /api/session exists
	OldSession      bool     `json:"oldSession"`      // POST /rest/com/vmware/cis/session exists
	SessionRequests int      `json:"sessionRequests"` // a session ends after so many; 0: never
	MemoryName      string   `json:"memoryName"`      // how the server spells memory_MB
	DevicesName     string   `json:"devicesName"`     // how it spells dynamic_direct_path_IO_devices
	Drop            []string `json:"drop"`            // members that the server does not know
	Strict          bool     `json:"strict"`          // a PATCH with a member that only the server writes is refused
	KeepMissing     bool     `json:"keepMissing"`     // what a PATCH leaves out keeps its value, reservations and devices excepted
	TypedConfigSpec bool     `json:"typedConfigSpec"` // GET gives a config_spec as its type has it: other members are gone, empty ones too
	Prefixes        string   `json:"prefixes"`        // of XML: "simulator", "vcenter" or "other"
	Hosts           int      `json:"hosts"`           // so many hosts and VMs are answered: the inventory's again and again; 0: as it is
	VMs             int      `json:"vms"`
	Twists          []twist  `json:"twists"` // properties that are answered in another way
	Users           []user   `json:"users"`
}

func initialSettings() settings {
	return settings{
		Version: "8.0.3", Build: "24022515", InstanceUUID: "b61dd26c-7c1f-4b1a-8a0d-0b7f3f9f1a55",
		Service: "enabled", NewSession: true, OldSession: true,
		MemoryName: "memory_MB", DevicesName: devicesName,
		Strict: true, KeepMissing: true, Prefixes: "vcenter",
	}
}

// What happens to requests that match. The first rule that matches and is not used up counts.
type rule struct {
	Method string `json:"method"` // a regular expression, as the path; empty matches all
	Path   string `json:"path"`
	Soap   string `json:"soap"`
	Skip   int    `json:"skip"`  // so many matching requests pass first
	Times  int    `json:"times"` // 0: always

	DelayMS int               `json:"delayMs"`
	Status  int               `json:"status"` // answered in the server's place
	Late    bool              `json:"late"`   // the server does its work first, then `status` or `drop` counts
	Body    string            `json:"body"`
	Base64  bool              `json:"base64"` // that is how the body is given
	Repeat  int               `json:"repeat"` // the body is sent so often, without a length
	Headers map[string]string `json:"headers"`
	Cut     *int              `json:"cut"`    // so many bytes of the body, then the connection ends
	Drop    bool              `json:"drop"`   // no answer: the connection ends
	Expire  bool              `json:"expire"` // all sessions end first
	Before  *edit             `json:"before"` // a foreign change before the request
	After   *edit             `json:"after"`  // or after it, before its answer

	Hits int `json:"hits"`
	seen int
}

func matches(pattern, text string) bool {
	return pattern == "" || regexp.MustCompile("^(?:"+pattern+")$").MatchString(text)
}

func (r *rule) matches(seen *entry) bool {
	if !matches(r.Method, seen.Method) || !matches(r.Path, seen.Path) || !matches(r.Soap, seen.Soap) {
		return false
	}
	r.seen++
	if r.seen <= r.Skip || (r.Times > 0 && r.Hits >= r.Times) {
		return false
	}
	r.Hits++
	return true
}

func (r *rule) recorded() *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	answer.Header().Set("Content-Type", "application/json")
	for name, value := range r.Headers {
		answer.Header().Set(name, value)
	}
	answer.WriteHeader(r.Status)
	body := []byte(r.Body)
	if r.Base64 {
		body, _ = base64.StdEncoding.DecodeString(r.Body)
	}
	_, _ = answer.Write(body)
	return answer
}

// Sends a body over and over, until the client has enough.
func (r *rule) sendRepeated(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	for range r.Repeat {
		if _, err := w.Write(answer.Body.Bytes()); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// Sends an answer, or the part of it that the rule lets through.
func (r *rule) send(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	if r.Drop {
		panic(http.ErrAbortHandler)
	}
	if r.Repeat > 0 {
		r.sendRepeated(w, answer)
		return
	}
	body := answer.Body.Bytes()
	maps.Copy(w.Header(), answer.Header())
	if answer.Code != http.StatusNoContent {
		w.Header().Set("Content-Length", contentLength(body))
	}
	w.WriteHeader(answer.Code)
	if r.Cut == nil {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:min(*r.Cut, len(body))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// The control endpoint. All bodies are JSON.
//
//	GET, PUT /classes        all classes by id; PUT replaces them
//	POST     /edit           a change by another writer, in one step
//	GET, PATCH /settings     PUT puts the initial ones back and sets the members that it names
//	GET, PUT /rules
//	GET      /log?from=N     the requests from the Nth on
//	GET      /sessions       how many there are: {"rest": N, "soap": N}
//	POST     /expire         ends all sessions
//	POST     /inventory      puts the hosts' passthrough and the VMs' settings back
func (f *front) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /classes", f.show(func(*http.Request) any { return f.classes }))
	mux.HandleFunc("PUT /classes", f.take(func(r *http.Request) error {
		f.classes = map[string]class{}
		return json.NewDecoder(r.Body).Decode(&f.classes)
	}))
	mux.HandleFunc("POST /edit", f.take(func(r *http.Request) error {
		change := &edit{}
		err := json.NewDecoder(r.Body).Decode(change)
		f.edit(change)
		return err
	}))
	mux.HandleFunc("GET /settings", f.show(func(*http.Request) any { return f.settings }))
	mux.HandleFunc("PUT /settings", f.take(func(r *http.Request) error {
		f.settings = initialSettings()
		return f.set(r)
	}))
	mux.HandleFunc("PATCH /settings", f.take(f.set))
	mux.HandleFunc("GET /rules", f.show(func(*http.Request) any { return f.rules }))
	mux.HandleFunc("PUT /rules", f.take(func(r *http.Request) error {
		f.rules = []*rule{}
		return json.NewDecoder(r.Body).Decode(&f.rules)
	}))
	mux.HandleFunc("GET /log", f.show(func(r *http.Request) any {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		return f.log[min(from, len(f.log)):]
	}))
	mux.HandleFunc("GET /sessions", f.show(func(*http.Request) any {
		return map[string]int{"rest": len(f.rest), "soap": len(f.soap)}
	}))
	mux.HandleFunc("POST /inventory", f.take(func(*http.Request) error {
		resetHosts(f.model)
		resetVMs()
		return nil
	}))
	mux.HandleFunc("POST /expire", f.take(func(*http.Request) error {
		f.expire()
		return nil
	}))
	return mux
}

func (f *front) set(r *http.Request) error {
	// A list that the body has replaces the old one, element by element too.
	next := f.settings
	next.Users, next.Drop, next.Twists = nil, nil, nil
	err := json.NewDecoder(r.Body).Decode(&next)
	if next.Users == nil {
		next.Users = f.settings.Users
	}
	if next.Drop == nil {
		next.Drop = f.settings.Drop
	}
	if next.Twists == nil {
		next.Twists = f.settings.Twists
	}
	f.settings = next
	f.apply()
	return err
}

func (f *front) show(value func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mutex.Lock()
		text := mustMarshal(value(r))
		f.mutex.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
}

func (f *front) take(do func(*http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		if err := do(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}
