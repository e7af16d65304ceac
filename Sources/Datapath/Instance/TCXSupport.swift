// SPDX-License-Identifier: Apache-2.0
import Libbpf

/// Whether programs reach the tc hooks through TCX links, as from Linux 6.6 on, or as filters of the clsact qdisc.
enum TCXSupport {
    /// Asked of the kernel once.
    static let isThere: Bool = {
        // The loopback device of any namespace has index 1. A process without the right to ask gets another error.
        do throws(BPFError) {
            _ = try Program.query(interface: 1, hook: .tcxIngress)
            return true
        } catch {
            return error.errno != .invalidArgument
        }
    }()
}
