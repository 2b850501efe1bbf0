package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const policiesTimeout = 5 * time.Second

// A chained CNI plugin, as real ones with policies do it: the pod's address is made known before the pod runs, and the pod waits
// until rules for it are loaded. The file addresses/UID_ADDRESS in the configured folder says who has which address, and
// loaded/UID_ADDRESS that rules know it. Without a folder `loaded` nobody enforces policies, and nothing is waited for.
// Source: CNI specification 1.0.0, sections 3 and 5.
func cni() {
	command := os.Getenv("CNI_COMMAND")
	if command == "VERSION" {
		fmt.Println(`{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}`)
		return
	}
	var config struct {
		Dir        string          `json:"dir"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	var result struct {
		IPs []struct {
			Address string `json:"address"`
		} `json:"ips"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&config); err != nil {
		fail(err)
	}
	if json.Unmarshal(config.PrevResult, &result) != nil || len(result.IPs) == 0 {
		return
	}
	address, _, _ := strings.Cut(result.IPs[0].Address, "/")
	name := podUID() + "_" + address
	known, loaded := filepath.Join(config.Dir, "addresses", name), filepath.Join(config.Dir, "loaded", name)
	switch command {
	case "ADD":
		if err := os.WriteFile(known, nil, 0o600); err != nil {
			fail(err)
		}
		for deadline := time.Now().Add(policiesTimeout); exists(filepath.Dir(loaded)) && !exists(loaded); {
			if time.Now().After(deadline) {
				fail(fmt.Errorf("no rules for %s after %s", address, policiesTimeout))
			}
			time.Sleep(5 * time.Millisecond)
		}
		os.Stdout.Write(config.PrevResult)
	case "DEL":
		os.Remove(known)
		os.Remove(loaded)
	}
}

func podUID() string {
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		if uid, ok := strings.CutPrefix(pair, "K8S_POD_UID="); ok {
			return filepath.Base(uid)
		}
	}
	return "unknown"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
