package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Goroutines that compute, allocate and call, under a scheduler that interrupts them by signals.
func main() {
	runtime.GOMAXPROCS(4)
	var wait sync.WaitGroup
	sums := make([]int, 8)
	end := time.Now().Add(500 * time.Millisecond)
	wrong := 0
	var lock sync.Mutex
	for i := range sums {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			for time.Now().Before(end) {
				block := make([]byte, 10000)
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
		if sum == 0 {
			fmt.Println("one did nothing")
		}
	}
	fmt.Println("wrong", wrong)
}
