// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Testing

@testable import Datapath

@Suite struct AllotmentTests {
    private func request(_ interface: String, _ index: UInt32) -> DeviceAllotment.Request {
        DeviceAllotment.Request(
            identity: .init(interface: interface, namespace: nil, inode: 1, index: index), record: 0,
            isOfSeveral: false, mode: .auto, port: Port(name: interface, interface: interface, protects: .workload))
    }

    private func records(_ allotment: DeviceAllotment) -> [DeviceRecord] {
        allotment.devices.map { DeviceRecord($0.request, id: $0.id, mode: .tc) }
    }

    @Test func aDeviceKeepsItsIdAndAFreedOneWaitsAGeneration() throws {
        let first = try DeviceAllotment([request("a", 1), request("b", 2)], old: [])
        #expect(first.devices.map(\.id) == [1, 2])
        let second = try DeviceAllotment([request("b", 2), request("c", 3)], old: records(first))
        #expect(second.devices.map(\.id) == [2, 3])
        #expect(second.devices.map { $0.old != nil } == [true, false])
        let third = try DeviceAllotment([request("b", 2), request("c", 3), request("d", 4)], old: records(second))
        #expect(third.devices.map(\.id) == [2, 3, 1])
    }

    @Test func aReplacedDeviceIsAnother() throws {
        let first = try DeviceAllotment([request("a", 1)], old: [])
        #expect(try DeviceAllotment([request("a", 9)], old: records(first)).devices.map(\.id) == [2])
    }

    @Test func aRenamedDeviceIsTheSame() throws {
        let first = try DeviceAllotment([request("a", 1), request("b", 2)], old: [])
        let second = try DeviceAllotment([request("b", 1), request("a", 2)], old: records(first))
        #expect(second.devices.map(\.id) == [1, 2])
        #expect(second.devices.map(\.old?.interface) == ["a", "b"])
        #expect(try DeviceAllotment([request("b", 1)], old: records(first), replaced: [1]).devices.map(\.id) == [3])
    }

    /// A missing device has no index, so its name identifies it.
    @Test func aMissingDeviceIsKnownByItsName() throws {
        let first = try DeviceAllotment([request("a", 0), request("b", 0)], old: [])
        let second = try DeviceAllotment([request("b", 0), request("c", 0), request("a", 7)], old: records(first))
        #expect(second.devices.map(\.id) == [2, 3, 4])
        // Names are recorded truncated, and may then be equal.
        let alike = try DeviceAllotment([request("b", 0), request("b", 0)], old: records(first))
        #expect(alike.devices.map(\.id) == [2, 3])
    }

    @Test func tooManyDevicesAreRefused() throws {
        let most = Int(BH_DEVICES_MAX) - 1
        let requests = (0..<most).map { request("p\($0)", UInt32($0 + 1)) }
        #expect(try DeviceAllotment(requests, old: []).devices.count == most)
        #expect(throws: DatapathError.self) { try DeviceAllotment(requests + [request("x", 9999)], old: []) }
    }

    @Test func aRuleKeepsItsCounter() {
        let first = SlotAllotment(names: ["a", "b", "c"], old: [], capacity: 8)
        #expect(first.slots == [0, 1, 2])
        #expect(first.fresh == [0, 1, 2])
        let second = SlotAllotment(names: ["c", "d", "a"], old: [("a", 0), ("b", 1), ("c", 2)], capacity: 8)
        #expect(second.slots == [2, 3, 0])
        #expect(second.fresh == [3])
    }

    @Test func aFullTableTakesSlotsThatGo() {
        let old = (0..<8).map { ("r\($0)", UInt32($0)) }
        let next = SlotAllotment(names: ["n", "r5", "m"], old: old, capacity: 8)
        #expect(next.slots == [0, 5, 1])
        #expect(next.fresh == [0, 1])
        #expect(SlotAllotment(names: ["a", "b"], old: [], capacity: 1).slots == [0, BH_NONE])
    }
}

@Suite struct HookPinTests {
    @Test(
        arguments: [
            HookPin(device: 1, hook: .xdp), HookPin(device: 4095, hook: .tcIngress),
            HookPin(device: 7, hook: .tcEgress, place: .init(interface: 12, namespaceInode: 4_026_531_840)),
            HookPin(device: 7, hook: .tcIngress, place: .init(interface: 12, namespaceInode: 5), isNew: true),
        ])
    func readsWhatItWrites(_ pin: HookPin) { #expect(HookPin(pin.name) == pin) }

    @Test(arguments: ["", "x", "1", "1-", "1-tc", "1-xdp-3", "99999-xdp", "1-tc-ingress-a-b", "-xdp", "1-xdp-1-2-3"])
    func leavesWhatIsNone(_ name: String) { #expect(HookPin(name) == nil) }
}

@Suite struct FilterHandleTests {
    @Test func everyDeviceOfAnInstanceHasItsOwn() throws {
        for name in ["bulkhead", "a", "lab-7"] {
            let instance = try Instance(name)
            let handles = (1..<UInt16(BH_DEVICES_MAX)).map { id in
                Attachment(instance: instance, device: id, interface: 1, namespaceInode: 1, name: "x").filterHandle
            }
            #expect(Set(handles).count == handles.count)
            #expect(!handles.contains(0))
        }
    }
}
