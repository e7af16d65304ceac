import CLibbpf
