// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	newSessionPath = "/api/session"
	oldSessionPath = "/rest/com/vmware/cis/session"
	sessionHeader  = "Vmware-Api-Session-Id"
	manage         = "VirtualMachineClasses.Manage"
	bodyMax        = 16 << 20
)

// A request that was answered, or with the method EDIT a change by another writer. An entry with an
// error alone stands for a TLS handshake that failed.
type entry struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Soap    string `json:"soap,omitempty"`
	Status  int    `json:"status"`
	User    string `json:"user,omitempty"`
	Session string `json:"session,omitempty"`
	Body    string `json:"body,omitempty"` // of a PATCH or an EDIT
	Turn    int    `json:"turn,omitempty"` // the order in which classes were read and changed
	Error   string `json:"error,omitempty"`
}

// A session: whose it is, and how many requests it has seen.
type session struct {
	user string
	used int
}

type front struct {
	model  *simulator.Model
	next   http.Handler // govmomi's
	logins *users

	mutex    sync.Mutex // guards all below; a change by an edit is one step
	settings settings
	classes  map[string]class
	rest     map[string]*session
	soap     map[string]*session
	rules    []*rule
	books    map[string]*book
	log      []entry
	turn     int
}

func newFront(model *simulator.Model, logins *users) *front {
	f := &front{model: model, next: model.Service.ServeMux, logins: logins}
	f.classes, f.rest, f.soap = map[string]class{}, map[string]*session{}, map[string]*session{}
	f.rules, f.log, f.books = []*rule{}, []entry{}, map[string]*book{}
	f.settings = initialSettings()
	f.apply()
	return f
}

// Makes govmomi's simulator say what the settings say of it.
func (f *front) apply() {
	f.logins.set(f.settings.Users)
	instance := f.model.Service.Context.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance)
	about := &instance.Content.About
	about.Version, about.Build, about.InstanceUuid = f.settings.Version, f.settings.Build, f.settings.InstanceUUID
	about.ApiVersion = f.settings.Version + ".0"
	about.ApiType, about.ProductLineId, about.Name = "VirtualCenter", "vpx", "VMware vCenter Server"
	if f.settings.ESXi {
		about.ApiType, about.ProductLineId, about.Name, about.InstanceUuid = "HostAgent", "embeddedEsx", "VMware ESXi", ""
	}
	about.FullName = about.Name + " " + about.Version + " build-" + about.Build
}

// Write takes the server's complaints: a handshake that a client gave up.
func (f *front) Write(line []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.log = append(f.log, entry{Error: strings.TrimSpace(string(line))})
	return len(line), nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	seen := entry{Method: r.Method, Path: r.URL.Path}
	if seen.Path == vim25.Path {
		seen.Soap = soapMethod(body)
	}
	if r.Method == http.MethodPatch {
		seen.Body = string(body)
	}
	hit := f.begin(&seen)
	time.Sleep(time.Duration(hit.DelayMS) * time.Millisecond)
	answer := httptest.NewRecorder()
	if (hit.Status == 0 && !hit.Drop) || hit.Late {
		f.answer(answer, r, &seen, body)
	}
	if hit.Status != 0 {
		answer = hit.recorded()
	}
	f.end(seen, answer.Code, hit)
	hit.send(w, answer)
}

// Finds the rule of this request, and does what comes before it.
func (f *front) begin(seen *entry) rule {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, one := range f.rules {
		if !one.matches(seen) {
			continue
		}
		if one.Expire {
			f.expire()
		}
		f.edit(one.Before)
		return *one
	}
	return rule{}
}

func (f *front) end(seen entry, status int, hit rule) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	seen.Status = status
	f.log = append(f.log, seen)
	f.edit(hit.After)
}

func (f *front) edit(change *edit) {
	if change == nil {
		return
	}
	if c, ok := f.classes[change.ID]; ok {
		made := maps.Clone(c)
		change.apply(made)
		f.classes[change.ID] = made
		f.turn++
		f.log = append(f.log, entry{
			Method: "EDIT", Path: classesPath + "/" + change.ID, Turn: f.turn, Body: string(mustMarshal(change)),
		})
	}
}

func (f *front) expire() {
	clear(f.rest)
	clear(f.soap)
}

func (f *front) answer(w *httptest.ResponseRecorder, r *http.Request, seen *entry, body []byte) {
	switch {
	case seen.Path == vim25.Path:
		f.answerSOAP(w, r, seen, body)
	case seen.Path == newSessionPath, seen.Path == oldSessionPath:
		f.answerSession(w, r, seen)
	case seen.Path == classesPath, strings.HasPrefix(seen.Path, classesPath+"/"):
		f.answerClasses(w, r, seen)
	case f.isESXi():
		http.NotFound(w, r)
	default:
		f.next.ServeHTTP(w, r)
	}
}

func (f *front) isESXi() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.settings.ESXi
}

// --- SOAP ------------------------------------------------------------------------------------

func (f *front) answerSOAP(w *httptest.ResponseRecorder, r *http.Request, seen *entry, body []byte) {
	id := soapCookie(r)
	f.mutex.Lock()
	known, ok := f.soap[id]
	style, twists := f.settings.Prefixes, f.settings.Twists
	if ok {
		seen.User = known.user
		known.used++
	}
	if seen.Soap == "Logout" {
		delete(f.soap, id)
	}
	f.mutex.Unlock()
	if !ok && id != "" && seen.Soap != "Login" && seen.Soap != "RetrieveServiceContent" {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(restyle(notAuthenticated, style))
		return
	}
	next := func(body []byte) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		f.next.ServeHTTP(answer, r)
		return answer
	}
	if f.answerMany(w, seen, body, next) {
		return
	}
	answer := next(body)
	if seen.Soap == "Login" && answer.Code == http.StatusOK {
		f.mutex.Lock()
		for _, cookie := range answer.Result().Cookies() {
			if cookie.Name == "vmware_soap_session" {
				f.soap[cookie.Value] = &session{}
			}
		}
		f.mutex.Unlock()
	}
	maps.Copy(w.Header(), answer.Header())
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(restyle(twistAnswer(answer.Body.Bytes(), twists), style))
}

// --- sessions of REST --------------------------------------------------------------------------

func (f *front) answerSession(w *httptest.ResponseRecorder, r *http.Request, seen *entry) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	newer := seen.Path == newSessionPath
	if f.settings.ESXi || (newer && !f.settings.NewSession) || (!newer && !f.settings.OldSession) {
		http.NotFound(w, r)
		return
	}
	// The older form asks for the session by an action.
	if r.Method == http.MethodPost && r.URL.Query().Get("~action") == "" {
		f.login(w, r, seen, newer)
		return
	}
	switch r.Method {
	case http.MethodDelete:
		delete(f.rest, r.Header.Get(sessionHeader))
		w.WriteHeader(http.StatusNoContent)
	default:
		f.showSession(w, r, newer)
	}
}

func (f *front) login(w *httptest.ResponseRecorder, r *http.Request, seen *entry, newer bool) {
	name, password, _ := r.BasicAuth()
	seen.User = name
	found, _ := f.logins.find(name)
	if !f.logins.isValid(&types.Login{UserName: name, Password: password}) {
		text := "Authentication required."
		if found.Locked {
			text = "User account is locked. Please contact your administrator."
		}
		fail(w, newer, &apiError{http.StatusUnauthorized, "UNAUTHENTICATED", "com.vmware.vapi.endpoint.method.authentication.required", text})
		return
	}
	token := strings.ReplaceAll(uuid.NewString(), "-", "")
	f.rest[token] = &session{user: name}
	if newer {
		writeJSON(w, http.StatusCreated, token)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"value": token})
}

func (f *front) showSession(w *httptest.ResponseRecorder, r *http.Request, newer bool) {
	known, ok := f.rest[r.Header.Get(sessionHeader)]
	if !ok {
		fail(w, newer, unauthenticated())
		return
	}
	now := time.Now().UTC().Format(time.RFC3339)
	info := map[string]string{"user": known.user, "created_time": now, "last_accessed_time": now}
	if newer {
		writeJSON(w, http.StatusOK, info)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"value": info})
}

func unauthenticated() *apiError {
	return &apiError{
		http.StatusUnauthorized, "UNAUTHENTICATED", "com.vmware.vapi.endpoint.method.authentication.required", "Authentication required.",
	}
}

// --- classes -----------------------------------------------------------------------------------

func (f *front) answerClasses(w *httptest.ResponseRecorder, r *http.Request, seen *entry) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.settings.ESXi || f.settings.Service == "missing" {
		http.NotFound(w, r)
		return
	}
	known, failed := f.authenticate(r)
	if failed == nil {
		seen.User, seen.Session = known.user, r.Header.Get(sessionHeader)
		failed = f.allow(known, r.Method)
	}
	if failed != nil {
		fail(w, true, failed)
		return
	}
	f.turn++
	seen.Turn = f.turn
	id := strings.Trim(strings.TrimPrefix(seen.Path, classesPath), "/")
	if failed := f.doClasses(w, r, id); failed != nil {
		fail(w, true, failed)
	}
}

func (f *front) authenticate(r *http.Request) (*session, *apiError) {
	id := r.Header.Get(sessionHeader)
	known, ok := f.rest[id]
	if !ok {
		return nil, unauthenticated()
	}
	known.used++
	if f.settings.SessionRequests > 0 && known.used > f.settings.SessionRequests {
		delete(f.rest, id)
		return nil, unauthenticated()
	}
	return known, nil
}

func (f *front) allow(known *session, method string) *apiError {
	privilege := manage
	if method == http.MethodGet {
		privilege = "System.Read"
	}
	if !f.logins.may(known.user, privilege) {
		return &apiError{
			http.StatusForbidden, "UNAUTHORIZED", "vcenter.wcp.user.unauthorized",
			"User " + known.user + " does not have the required privilege " + privilege + ".",
		}
	}
	if f.settings.Service == "disabled" {
		return &apiError{
			http.StatusBadRequest, "FEATURE_NOT_ENABLED", "vcenter.wcp.not.enabled", "Workload Management is not enabled on any cluster.",
		}
	}
	return nil
}

func (f *front) doClasses(w *httptest.ResponseRecorder, r *http.Request, id string) *apiError {
	c, ok := f.classes[id]
	if id != "" && !ok {
		return notFound(id)
	}
	switch r.Method {
	case http.MethodGet:
		if id != "" {
			writeJSON(w, http.StatusOK, f.settings.spell(c))
			return nil
		}
		list := []class{}
		for _, name := range slices.Sorted(maps.Keys(f.classes)) {
			list = append(list, f.settings.spell(f.classes[name]))
		}
		writeJSON(w, http.StatusOK, list)
	case http.MethodPost:
		return f.create(w, r)
	case http.MethodPatch:
		return f.patch(w, r, id, c)
	case http.MethodDelete:
		delete(f.classes, id)
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

func decode(r *http.Request) (class, *apiError) {
	members := class{}
	if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
		return nil, invalid("The request body is not valid: %v.", err)
	}
	return members, nil
}

func (f *front) create(w *httptest.ResponseRecorder, r *http.Request) *apiError {
	members, failed := decode(r)
	if failed != nil {
		return failed
	}
	var id string
	if json.Unmarshal(members["id"], &id) != nil || id == "" {
		return invalid("id is missing.")
	}
	raw := members["id"]
	delete(members, "id")
	made, failed := f.settings.patch(class{"id": raw}, members)
	if failed != nil {
		return failed
	}
	f.classes[id] = made
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (f *front) patch(w *httptest.ResponseRecorder, r *http.Request, id string, old class) *apiError {
	members, failed := decode(r)
	if failed != nil {
		return failed
	}
	// govc sends the id along.
	if string(members["id"]) == string(old["id"]) && f.settings.Strict && strings.HasPrefix(r.UserAgent(), "govc") {
		delete(members, "id")
	}
	made, failed := f.settings.patch(old, members)
	if failed != nil {
		return failed
	}
	f.classes[id] = made
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// --- answers -----------------------------------------------------------------------------------

func writeJSON(w *httptest.ResponseRecorder, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustMarshal(value))
}

func fail(w *httptest.ResponseRecorder, newer bool, e *apiError) {
	messages := []any{map[string]any{"id": e.id, "default_message": e.text, "args": []any{}}}
	if newer {
		writeJSON(w, e.status, map[string]any{"error_type": e.kind, "messages": messages})
		return
	}
	kind := "com.vmware.vapi.std.errors." + strings.ToLower(e.kind)
	writeJSON(w, e.status, map[string]any{"type": kind, "value": map[string]any{"messages": messages}})
}

func contentLength(body []byte) string { return strconv.Itoa(len(body)) }
