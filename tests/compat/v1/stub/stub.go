// Package stub stands in for a module that is gone from the internet.
package stub
