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
// until rules for it are loaded. `dir`/addresses/UID holds the address; `dir`/loaded/UID says that rules know it. Without a folder
// `loaded` nobody enforces policies, and nothing is waited for. Source: CNI specification 1.0.0, sections 3 and 5.
func cni() {
	var config struct {
		Dir        string          `json:"dir"`
		PrevResult json.RawMessage `json:"prevResult"`
	}
	switch os.Getenv("CNI_COMMAND") {
	case "VERSION":
		fmt.Println(`{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}`)
	case "ADD":
		if err := json.NewDecoder(os.Stdin).Decode(&config); err != nil {
			fail(err)
		}
		var result struct {
			IPs []struct {
				Address string `json:"address"`
			} `json:"ips"`
		}
		if err := json.Unmarshal(config.PrevResult, &result); err != nil {
			fail(err)
		}
		address, _, _ := strings.Cut(result.IPs[0].Address, "/")
		uid := podUID()
		loaded := filepath.Join(config.Dir, "loaded", uid)
		os.Remove(loaded)
		if err := os.WriteFile(filepath.Join(config.Dir, "addresses", uid), []byte(address), 0o600); err != nil {
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
		if err := json.NewDecoder(os.Stdin).Decode(&config); err != nil {
			fail(err)
		}
		os.Remove(filepath.Join(config.Dir, "addresses", podUID()))
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
