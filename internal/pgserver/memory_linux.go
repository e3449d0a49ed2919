package pgserver

import "syscall"

// memoryFolder is /dev/shm where it has room: 3 to 10 times faster than a disk. Containers often have 64 MB of it.
func memoryFolder() []string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < 1<<30 {
		return nil
	}
	return []string{"/dev/shm"}
}
