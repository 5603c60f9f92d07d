// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/url"
	"slices"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

type user struct {
	Name       string   `json:"name"`
	Password   string   `json:"password"`
	Locked     bool     `json:"locked"`
	Privileges []string `json:"privileges"` // "*" is all of them
}

type users struct {
	mutex sync.Mutex
	list  []user
	inner *url.Userinfo
}

func (u *users) set(list []user) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.list = list
}

func (u *users) find(name string) (user, bool) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	at := slices.IndexFunc(u.list, func(one user) bool { return one.Name == name })
	if at < 0 {
		return user{}, false
	}
	return u.list[at], true
}

// Says if a login succeeds; both of govmomi's APIs ask this.
func (u *users) isValid(login *types.Login) bool {
	password, _ := u.inner.Password()
	if login.UserName == u.inner.Username() && login.Password == password {
		return true
	}
	found, ok := u.find(login.UserName)
	return ok && !found.Locked && found.Password == login.Password
}

func (u *users) may(name, privilege string) bool {
	found, _ := u.find(name)
	return slices.Contains(found.Privileges, "*") || slices.Contains(found.Privileges, privilege)
}
