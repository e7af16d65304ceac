// SPDX-License-Identifier: Apache-2.0
import Server
import Testing

@testable import Agent

/// Who may do what at the control socket.
@Suite struct AccessTests {
    private static let access = Access(Access.Names(readers: "r", operators: "o")) { ["r": 5, "o": 6][$0] }

    @Test(arguments: [
        (Peer(user: 0, groups: []), Right.change), (Peer(user: 1, groups: [6]), .change),
        (Peer(user: 1, groups: [5, 6]), .change), (Peer(user: 1, groups: [5]), .read),
        (Peer(user: 1, groups: [0, 1, 7]), .nothing), (Peer(user: .max - 1, groups: []), .nothing),
    ]) func follows(peer: Peer, right: Right) {
        #expect(Self.access.right(of: peer) == right)
    }

    /// By TCP nobody says who asks.
    @Test func whoIsNotKnownMayNothing() { #expect(Self.access.right(of: nil) == .nothing) }

    /// A group that there is not gives nobody a right.
    @Test func withoutGroupsOnlyRootMay() {
        let access = Access(Access.Names()) { _ in nil }
        #expect(access.right(of: Peer(user: 1, groups: [0, .max])) == .nothing)
        #expect(access.right(of: Peer(user: 0, groups: [])) == .change)
    }

    /// Many services run in group 0 that are not root.
    @Test func rootsGroupIsNoGroup() {
        #expect(Access.number(ofGroup: "root") == nil)
        #expect(Access.number(ofGroup: "no-such-group-here") == nil)
        #expect(Access.number(ofGroup: "daemon") == 1)
    }
}
