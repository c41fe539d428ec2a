// Package discoveryclient finds instances of services, and registers them.
package discoveryclient

// Service is the name that the service is registered under.
const Service = "discovery-srv"
