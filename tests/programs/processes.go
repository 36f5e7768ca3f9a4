package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	for i := 0; i < 5; i++ {
		output, err := exec.Command("/bin/echo", fmt.Sprint(i)).Output()
		fmt.Printf("%s%v\n", output, err)
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		fmt.Println(<-signals)
	}
	_, err := exec.Command("/no/such/file").Output()
	fmt.Println(err)
	err = exec.Command("/bin/sh", "-c", "exit 4").Run()
	fmt.Println(err)
	defer func() { fmt.Println("recovered", recover() != nil) }()
	var nothing *int
	fmt.Println(*nothing)
}
