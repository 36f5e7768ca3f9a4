package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// Goroutines that compute, allocate and call, under a scheduler that interrupts them by signals.
func main() {
	const rounds = 400
	runtime.GOMAXPROCS(4)
	var wait sync.WaitGroup
	sums := make([]int, 8)
	wrong := 0
	var lock sync.Mutex
	for i := range sums {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			for round := 0; round < rounds; round++ {
				block := make([]byte, 100000)
				for j := range block {
					block[j] = byte(j * i)
				}
				if syscall.Getppid() != os.Getppid() {
					lock.Lock()
					wrong++
					lock.Unlock()
				}
				if _, err := os.ReadFile("/etc/passwd"); err != nil {
					panic(err)
				}
				sums[i]++
			}
		}(i)
	}
	wait.Wait()
	for _, sum := range sums {
		if sum != rounds {
			fmt.Println("one did not do all")
		}
	}
	fmt.Println("wrong", wrong)
}
