// handler is the yardstick in Go: net/http and encoding/json, typed, and nothing else.
//
// It decodes what the admitter decodes, keeps the object unparsed as the admitter does, and answers.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
)

type userInfo struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

type kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type request struct {
	UID       string          `json:"uid"`
	Operation string          `json:"operation"`
	Kind      kind            `json:"kind"`
	Name      string          `json:"name"`
	Namespace string          `json:"namespace"`
	UserInfo  userInfo        `json:"userInfo"`
	DryRun    *bool           `json:"dryRun"`
	Object    json.RawMessage `json:"object"`
}

type response struct {
	UID     string `json:"uid"`
	Allowed bool   `json:"allowed"`
}

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

func validate(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in review
	if err := json.Unmarshal(body, &in); err != nil || in.Request == nil {
		http.Error(w, "not an AdmissionReview", http.StatusBadRequest)
		return
	}
	allowed := in.Request.Kind.Kind == "PipelineRun" && in.Request.Operation == "CREATE"
	out, err := json.Marshal(review{APIVersion: in.APIVersion, Kind: in.Kind,
		Response: &response{UID: in.Request.UID, Allowed: allowed}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(out)
}

func main() {
	address := flag.String("address", "", "host:port")
	cert := flag.String("cert", "", "PEM certificate")
	key := flag.String("key", "", "PEM key")
	flag.Parse()
	http.HandleFunc("/validate", validate)
	// The load speaks HTTP/1.1 to everyone, so HTTP/2 does not come into it.
	log.Fatal(http.ListenAndServeTLS(*address, *cert, *key, nil))
}
