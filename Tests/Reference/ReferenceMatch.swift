// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Wire

extension Packet {
    /// Whether the packet has the fields that a rule asks for, written from the policy language. The parse has neither
    /// code point nor priority; what asks for these is tried by tables.
    func fits(_ match: RuleMatch) -> Bool {
        let isIP = family != nil
        func holds<Value>(_ asked: Value?, _ test: (Value) -> Bool) -> Bool { asked.map(test) ?? true }
        return holds(match.tcpFlags) { isIP && isTCP && hasL4 && tcpFlags & $0.of == $0.set }
            && holds(match.hopLimit) { isIP && $0.contains(hopLimit) }
            && holds(match.length) { isIP && $0.contains(UInt32(end - l3Offset)) }
            && holds(match.fragment) { isIP && (fragment == .first) == $0 }
            && holds(match.sourceMACs) { $0.contains(sourceMAC) }
            && holds(match.destinationMACs) { $0.contains(destinationMAC) }
    }
}
