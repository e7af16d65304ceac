// SPDX-License-Identifier: Apache-2.0
import Host
import Policy
import Testing

@testable import Datapath

/// Which bridges have which gate, and who is let through.
@Suite struct GatePlanTests {
    private static func device(
        _ name: String, _ index: UInt32, in bridge: String? = nil, _ kind: HostInterface.Kind = .veth
    ) -> HostInterface { HostInterface(name: name, index: index, kind: kind, bridge: bridge) }

    private static let host = HostInventory(namespaces: [
        nil: NamespaceInventory(
            inode: 7,
            interfaces: [
                device("br0", 1, .bridge), device("br1", 2, .bridge), device("a", 3, in: "br0"),
                device("b", 4, in: "br0"), device("c", 5, in: "br1"), device("d", 6),
            ])
    ])

    private static func plan(_ selectors: [(String, String, PortEntry.Gate)], judged: Set<UInt32>) -> GatePlan? {
        let plans = GatePlan.all(
            selectors.map { DeviceSelector(entry: $0.0, namespace: nil, selector: .bridge($0.1), gate: $0.2) },
            judged.map { JudgedDevice(namespace: 7, index: $0, carriesTags: false) }
                // A number of another namespace is another device.
                + [JudgedDevice(namespace: 8, index: 4, carriesTags: false)], in: host)
        return plans.first
    }

    @Test func whoIsJudgedIsAdmittedByNameAndNumber() throws {
        let plan = try #require(Self.plan([("guests", "br0", .nft)], judged: [3, 6]))
        let gate = plan.gate(["br0"], tellsBridges: true)
        #expect(gate.bridges == ["br0"])
        #expect(gate.admitted == [.init(name: "a", index: 3), .init(name: "d", index: 6)])
        #expect(plan.bridges["br0"]?.members.filter(\.isAdmitted).map(\.index) == [3])
        // A kernel that cannot tell bridges apart would else shut the members of the other one.
        #expect(plan.gate(["br0"], tellsBridges: false).admitted.contains(.init(name: "c", index: 5)))
        #expect(!plan.gate(["br0"], tellsBridges: false).admitted.contains(.init(name: "b", index: 4)))
    }

    @Test func withoutAGateThereIsNoPlan() {
        #expect(Self.plan([("guests", "br0", .none)], judged: [3]) == nil)
    }

    @Test(arguments: [
        ([("a", "br*", PortEntry.Gate.auto)], ["br0": PortEntry.Gate.auto, "br1": .auto]),
        ([("a", "br*", .auto), ("b", "br1", .vlan)], ["br0": .auto, "br1": .vlan]),
        ([("a", "br1", .nft), ("b", "br*", .auto)], ["br0": .auto, "br1": .nft]),
        ([("a", "br9", .nft)], ["br9": .nft]),
    ])
    func whoSaysWhatItWantsIsHeard(selectors: [(String, String, PortEntry.Gate)], kinds: [String: PortEntry.Gate]) {
        #expect(Self.plan(selectors, judged: [])?.bridges.mapValues(\.kind) == kinds)
    }
}
