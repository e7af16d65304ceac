import Libbpf
