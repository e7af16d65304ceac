// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// A program or filter on a hook of a device, whoever attached it. What cannot be read counts as not there.
struct HookedProgram {
    /// nil: a filter that is not a BPF program.
    let program: UInt32?
    /// Of a filter.
    private let kind: String

    init(program: UInt32) {
        self.program = program
        kind = "bpf"
    }

    private init(_ filter: Filter.Entry) {
        program = filter.program
        kind = filter.kind
    }

    /// As people call it. A program's name is asked of the kernel.
    var words: String { program.map(Attachment.describe) ?? "a \(kind) filter" }

    /// The one on the XDP hook of a device of the calling thread's namespace.
    static func onXDP(_ interface: UInt32) -> HookedProgram? {
        ((try? Program.queryXDP(interface: interface)) ?? nil).map { HookedProgram(program: $0) }
    }

    /// Those that TCX runs on a tc hook, in order.
    static func linked(_ hook: HookName, _ interface: UInt32) -> [HookedProgram] {
        let programs = try? Program.query(interface: interface, hook: hook == .tcIngress ? .tcxIngress : .tcxEgress)
        return (programs ?? []).map { HookedProgram(program: $0) }
    }

    /// The filters of a clsact hook, in order.
    static func filters(_ hook: HookName, _ interface: UInt32) -> [HookedProgram] {
        ((try? Filter.all(interface: interface, isEgress: hook == .tcEgress)) ?? []).map { HookedProgram($0) }
    }
}
