// The only step of the tasks of tests/cluster: a static program that succeeds at once.
package main

func main() {}
