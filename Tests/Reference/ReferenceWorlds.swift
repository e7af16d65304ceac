// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Policy
import Wire

/// A ``ReferenceFlows`` for each thing that the tables may hold, given what was seen. Where several outcomes of a
/// packet agree with it, all of them are followed; later packets show which was right.
public struct ReferenceWorlds: Sendable {
    private var worlds: [ReferenceFlows]

    public init(_ world: ReferenceFlows) { worlds = [world] }

    public var count: Int { worlds.count }
    /// Those of one world; where no rule adds any, of all.
    public var members: ReferenceMembers { worlds[0].members }

    public mutating func use(_ ruleset: Ruleset) { for index in worlds.indices { worlds[index].use(ruleset) } }

    public mutating func pass(seconds: Int) {
        for index in worlds.indices { worlds[index].pass(seconds: seconds) }
        unite()
    }

    public mutating func change(_ group: String, _ change: (inout ReferenceMembers.Group) -> Void) {
        for index in worlds.indices { worlds[index].change(group, change) }
    }

    /// These are the host's own addresses from now on.
    public mutating func setOwn(_ addresses: Set<Prefix>) {
        for index in worlds.indices { worlds[index].own = addresses }
    }

    /// What the next packet is marked with.
    public mutating func mark(_ marks: PacketMarks) { for index in worlds.indices { worlds[index].marked = marks } }

    /// Judges a packet, see ``ReferenceFlows/judge(_:quoting:claiming:at:direction:)``. Returns an outcome that
    /// agrees with what was found, as `isLike` tells; where none does, one that might have been.
    public mutating func judge(
        _ packet: Packet, quoting quotation: Packet? = nil, claiming claim: Claim? = nil,
        at place: ReferenceFlows.Place, direction: Direction, like isLike: (Judgement) -> Bool
    ) -> Judgement {
        let outcomes = worlds.flatMap {
            $0.outcomes(of: packet, quoting: quotation, claiming: claim, at: place, direction)
        }
        let right = outcomes.filter { isLike($0.judgement) }
        guard let first = right.first else { return outcomes[0].judgement }
        worlds = right.map(\.after)
        unite()
        return first.judgement
    }

    /// Those that cannot be told apart are one.
    private mutating func unite() {
        guard worlds.count > 1 else { return }
        var known: Set<ReferenceFlows.Memory> = []
        worlds = worlds.filter { known.insert($0.memory).inserted }
    }
}
