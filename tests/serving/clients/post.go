// Posts files by one client with its defaults: go run post.go URL (PATH TYPE FILE)...
package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	for i := 2; i < len(os.Args); i += 3 {
		body, err := os.Open(os.Args[i+2])
		check(err)
		response, err := http.Post(os.Args[1]+os.Args[i], os.Args[i+1], body)
		check(err)
		answer, err := io.ReadAll(response.Body)
		check(err)
		response.Body.Close()
		fmt.Println(response.StatusCode, base64.StdEncoding.EncodeToString(answer))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
