// Go's standard library: go run client.go URL EXAMPLES
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

type reply struct {
	Loss      float64
	Losses    []float64
	Gradients map[string]any
	Errors    []struct{ Pointer, Code string }
}

func judge(name string, good bool, why any) {
	if good {
		fmt.Println("ok", name)
	} else {
		fmt.Printf("FAILED %s: %v\n", name, why)
	}
}

func post(url, file string) (status int, kind string, parsed reply) {
	body, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	response, err := http.Post(url+"/v1/gradients", "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&parsed); err != nil {
		panic(err)
	}
	return response.StatusCode, response.Header.Get("content-type"), parsed
}

func main() {
	url, examples := os.Args[1], os.Args[2]
	status, kind, answer := post(url, filepath.Join(examples, "lecture.json"))
	judge("gradients of the lecture's network", status == 200 && kind == "application/json" && len(answer.Gradients) > 0, answer)
	judge("a loss a sample", len(answer.Losses) > 0, answer.Losses)
	status, kind, answer = post(url, "tests/clients/bad.json")
	judge("422 with a problem document", status == 422 && kind == "application/problem+json", status)
	judge("both faults", len(answer.Errors) == 2, answer.Errors)
}
