// SPDX-License-Identifier: Apache-2.0

// Command libcni does what cnitool does not: it calls a network with libcni's own functions, a
// garbage collection with a list of valid attachments among them, and decodes results and errors
// with libcni's types.
//
//	libcni decode VERSION              a result on stdin, printed as each version's type has it
//	libcni error                       an error object on stdin, with no member that the type lacks
//	libcni version PLUGIN              what a plugin says of VERSION
//	libcni call VERB CONFLIST ID IF    add, check, del, gc or status; gc keeps ID IF alone
//
// CNI_PATH names the folders of plugins, CNI_CACHE the folder for libcni's cache, NETNS the
// network namespace.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/types/create"
)

var versions = []string{"0.4.0", "1.0.0", "1.1.0"}

// decode reads the result strictly as `version` and gives it in every version.
func decode(version string) (any, error) {
	raw, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	result, err := create.Create(version, raw)
	if err != nil {
		return nil, err
	}
	if got := result.Version(); got != version {
		return nil, fmt.Errorf("the result is of version %q", got)
	}
	all := map[string]types.Result{}
	for _, to := range versions {
		if all[to], err = result.GetAsVersion(to); err != nil {
			return nil, fmt.Errorf("as %s: %w", to, err)
		}
	}
	return all, nil
}

func decodeError() (any, error) {
	raw, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	object := struct {
		CNIVersion string `json:"cniVersion"`
		types.Error
	}{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("something follows the object")
	}
	return object, nil
}

func pluginVersion(path string) (any, error) {
	info, err := invoke.GetVersionInfo(context.Background(), path, nil)
	if err != nil {
		return nil, err
	}
	return info.SupportedVersions(), nil
}

func call(verb, file, id, ifname string) (any, error) {
	ctx := context.Background()
	list, err := libcni.ConfListFromFile(file)
	if err != nil {
		return nil, err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), os.Getenv("CNI_CACHE"), nil)
	rt := &libcni.RuntimeConf{ContainerID: id, NetNS: os.Getenv("NETNS"), IfName: ifname}
	switch verb {
	case "add":
		return cni.AddNetworkList(ctx, list, rt)
	case "check":
		return nil, cni.CheckNetworkList(ctx, list, rt)
	case "del":
		return nil, cni.DelNetworkList(ctx, list, rt)
	case "status":
		return nil, cni.GetStatusNetworkList(ctx, list)
	case "gc":
		keep := []types.GCAttachment{{ContainerID: id, IfName: ifname}}
		return nil, cni.GCNetworkList(ctx, list, &libcni.GCArgs{ValidAttachments: keep})
	}
	return nil, fmt.Errorf("unknown verb %q", verb)
}

func run(args []string) (any, error) {
	switch {
	case len(args) == 2 && args[0] == "decode":
		return decode(args[1])
	case len(args) == 1 && args[0] == "error":
		return decodeError()
	case len(args) == 2 && args[0] == "version":
		return pluginVersion(args[1])
	case len(args) == 5 && args[0] == "call":
		return call(args[1], args[2], args[3], args[4])
	}
	return nil, fmt.Errorf("usage: libcni decode|error|version|call ...")
}

func main() {
	answer, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if answer != nil {
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}
