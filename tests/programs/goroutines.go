package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

func main() {
	var wait sync.WaitGroup
	total := make(chan int, 8)
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			total <- i * i
		}(i)
	}
	wait.Wait()
	sum := 0
	for i := 0; i < 8; i++ {
		sum += <-total
	}
	runtime.GC()
	fmt.Println("hello", sum, len(os.Args))
	if len(os.Args) > 1 {
		os.Exit(3)
	}
}
