// Package blackbox has what the black-box tests of several rooms share. They start a whole server by authztest and
// speak HTTP to it.
//
//	federation, fapi, site   a server with its surroundings: an upstream, applications, their web sites
//	registration, requests   what a client sends: metadata, pushed and signed requests
//	send, device             calls of an endpoint
//	replicas                 a browser that is led to one of several servers
//	tokens                   what a token says, and forged ones
//	hostile                  requests that must be refused without a trace
//	people, store, log       what the server keeps about them, stores that fail or are far away, its log
//
// Package authztest has the helpers for the tests of applications.
package blackbox
