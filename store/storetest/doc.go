// Package storetest tests implementations of [store.Store], and lends tests a few of them.
//
// [Test] is the conformance suite that every implementation passes. [Memory] is a store in memory
// that passes it too, and whose blobs a test can look at and damage. [Full] and [Torn] wrap a store
// that fails: on a write when the disk is full, on a read in the middle of a blob.
package storetest
