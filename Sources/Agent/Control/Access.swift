// SPDX-License-Identifier: Apache-2.0
import Glibc
import Server
import Synchronization

/// What somebody may do at the control socket.
enum Right: Int, Sendable, Comparable {
    case nothing
    case read
    case change

    static func < (left: Right, right: Right) -> Bool { left.rawValue < right.rawValue }
}

/// Who may do what: root all, others by the groups that their process was in when it connected.
final class Access: Sendable {
    /// Groups by name.
    struct Names: Sendable, Hashable {
        var readers = "bulkhead-readers"
        var operators = "bulkhead-operators"
    }

    private struct Numbers {
        var readers: UInt32?
        var operators: UInt32?
        var until: ContinuousClock.Instant
    }

    let names: Names
    private let lookUp: @Sendable (String) -> UInt32?
    private let numbers = Mutex<Numbers?>(nil)

    /// How long a group's number is taken to be what it was.
    private static let freshness = Duration.seconds(5)

    init(_ names: Names, lookUp: @escaping @Sendable (String) -> UInt32? = Access.number(ofGroup:)) {
        self.names = names
        self.lookUp = lookUp
    }

    func right(of peer: Peer?) -> Right {
        guard let peer else { return .nothing }
        if peer.user == 0 { return .change }
        let numbers = current
        if let group = numbers.operators, peer.groups.contains(group) { return .change }
        if let group = numbers.readers, peer.groups.contains(group) { return .read }
        return .nothing
    }

    private var current: Numbers {
        numbers.withLock { known in
            let now = ContinuousClock.now
            if let known, known.until > now { return known }
            let fresh = Numbers(
                readers: lookUp(names.readers), operators: lookUp(names.operators), until: now + Self.freshness)
            known = fresh
            return fresh
        }
    }

    /// nil: there is no such group. Group 0 is not taken for one: services run in it that are not root.
    static func number(ofGroup name: String) -> UInt32? {
        var record = unsafe group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        while unsafe getgrnam_r(name, &record, &buffer, buffer.count, &found) == ERANGE, buffer.count < 1 << 24 {
            buffer = [CChar](repeating: 0, count: buffer.count * 4)
        }
        let number = unsafe found == nil ? 0 : record.gr_gid
        return number == 0 ? nil : number
    }
}
