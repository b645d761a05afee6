// How every Go program here is asked and answers; see python/calls.py.
package main

import (
	"encoding/json"
	"os"
	"time"
)

type identity struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type request struct {
	Credential string    `json:"credential"`
	Identity   *identity `json:"identity"`
	Resource   string    `json:"resource"`
	Calls      int       `json:"calls"`
	Pause      float64   `json:"pause"`
	Fresh      bool      `json:"fresh"`
	UntilToken bool      `json:"until_token"`
}

type answer struct {
	Token   string  `json:"token,omitempty"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

// A client gets one token; its maker makes a new one.
type client func() (string, error)
type maker func(request) (client, error)

func run(make maker) {
	var asked request
	if err := json.Unmarshal([]byte(os.Args[1]), &asked); err != nil {
		panic(err)
	}
	get := made(make, asked)
	for number := 0; number < asked.Calls; number++ {
		if number > 0 {
			time.Sleep(time.Duration(asked.Pause * float64(time.Second)))
			if asked.Fresh {
				get = made(make, asked)
			}
		}
		told := timed(get)
		if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
			panic(err)
		}
		if asked.UntilToken && told.Error == "" {
			return
		}
	}
}

func made(make maker, asked request) client {
	get, err := make(asked)
	if err != nil {
		panic(err)
	}
	return get
}

func timed(get client) answer {
	start := time.Now()
	token, err := get()
	told := answer{Token: token, Seconds: time.Since(start).Seconds()}
	if err != nil {
		told.Error = err.Error()
	}
	return told
}
