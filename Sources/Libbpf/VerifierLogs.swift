// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// A log buffer for each program that an object is about to load. libbpf uses it when it tries a refused program again.
@safe final class VerifierLogs {
    /// Bytes of room for one log. The memory is only touched when a program is refused.
    private static let size = 64 << 20

    private var programs: [OpaquePointer] = unsafe []
    private var buffers: [UnsafeMutablePointer<CChar>] = unsafe []

    init(_ object: OpaquePointer) {
        var next = unsafe bpf_object__next_program(object, nil)
        while let program = unsafe next {
            if unsafe bpf_program__autoload(program), let memory = unsafe calloc(1, VerifierLogs.size) {
                let buffer = unsafe memory.assumingMemoryBound(to: CChar.self)
                unsafe bpf_program__set_log_buf(program, buffer, VerifierLogs.size)
                unsafe programs.append(program)
                unsafe buffers.append(buffer)
            }
            unsafe next = bpf_object__next_program(object, program)
        }
    }

    deinit { for index in unsafe buffers.indices { unsafe free(buffers[index]) } }

    /// The program that was refused, and why; nil if none was.
    var refused: (program: String, log: String)? {
        for index in unsafe buffers.indices where unsafe buffers[index][0] != 0 {
            return unsafe (String(cString: bpf_program__name(programs[index])), String(cString: buffers[index]))
        }
        return nil
    }

    /// Takes the buffers away from programs that outlive them.
    func remove() {
        for index in unsafe programs.indices { unsafe bpf_program__set_log_buf(programs[index], nil, 0) }
    }
}
