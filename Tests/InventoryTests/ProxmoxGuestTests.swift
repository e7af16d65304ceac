// SPDX-License-Identifier: Apache-2.0
import Foundation
import Network
import Policy
import Synchronization
import Testing

@testable import Inventory

/// Guests of Proxmox VE by their configuration files, as `qm` and `pct` write them.
@Suite struct ProxmoxGuestTests {
    static let machine = """
        #a note: name%3A none
        boot: order=scsi0
        ipconfig0: ip=198.51.100.10/24,gw=198.51.100.1,ip6=auto
        name: web-1
        net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=10
        net3: e1000=BC:24:11:00:00:02,bridge=vmbr1
        smbios1: uuid=4dea22b3-1d52-4b0f-a2f0-0a5e8b1c2d3e
        tags: prod;web

        [before]
        name: old
        net5: virtio=BC:24:11:00:00:09,bridge=vmbr0

        """
    static let container = """
        arch: amd64
        hostname: db-1
        net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:03,ip=198.51.100.20/24,ip6=2001:db8::20/64,type=veth
        net1: name=eth1,bridge=vmbr0,hwaddr=BC:24:11:00:00:04,ip=dhcp,type=veth

        """

    @Test func aMachineIsAWorkload() throws {
        let workload = try ProxmoxGuest(.machine, number: 100, Self.machine).workload
        #expect(workload.id == "qemu-server/100")
        #expect(workload.name == "web-1")
        #expect(workload.uuid == "4dea22b3-1d52-4b0f-a2f0-0a5e8b1c2d3e")
        #expect(workload.labels == ["prod": "true", "web": "true", "vmid": "100"])
        #expect(workload.interfaces.map(\.device) == ["tap100i0", "tap100i3"])
        #expect(workload.interfaces.map { "\($0.mac!)" } == ["bc:24:11:00:00:01", "bc:24:11:00:00:02"])
        #expect(workload.interfaces.map { $0.addresses?.map(\.description) } == [["198.51.100.10"], nil])
    }

    @Test func aContainerIsAWorkload() throws {
        let workload = try ProxmoxGuest(.container, number: 101, Self.container).workload
        #expect(workload.name == "db-1")
        #expect(workload.interfaces.map(\.device) == ["veth101i0", "veth101i1"])
        let addresses = workload.interfaces.map { $0.addresses?.map(\.description) }
        #expect(addresses == [["198.51.100.20", "2001:db8::20"], nil])
        // One without a name is called by its number.
        #expect(try ProxmoxGuest(.machine, number: 7, "").workload.name == "7")
    }

    @Test(arguments: [
        ("BC:24:11:00:00:03", "01:00:5e:00:00:01"), ("BC:24:11:00:00:03", "x"), ("198.51.100.20", "198.51.100.256"),
        ("db-1", String(repeating: "a", count: 257)), ("198.51.100.20", "224.0.0.1"),
    ])
    func nonsenseIsOfThisGuest(old: String, new: String) {
        let text = Self.container.replacing(old, with: new)
        let error = #expect(throws: EngineError.self) { try ProxmoxGuest(.container, number: 101, text) }
        #expect(error?.isOfOneGuest == true, "\(error?.description ?? "")")
    }

    /// The source itself: it is told of what comes, changes and goes, and of one that cannot be read it says so.
    @Test func filesAreFollowed() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-\(UUID())").path
        for kind in ProxmoxGuest.Kind.allCases {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(kind.rawValue)", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o755])
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"), options: .atomic)
        }
        let told = Told()
        try write("qemu-server/100.conf", Self.machine)
        try write("lxc/101.conf", Self.container)
        try write("lxc/0101.conf", Self.container)
        try write("lxc/note.conf", Self.container)
        let source = ProxmoxSource(folder: folder)
        Thread.detachNewThread { source.follow(told.teller) }
        #expect(told.becomes { $0.map(\.name) == ["web-1", "db-1"] })
        try write("qemu-server/100.conf", Self.machine.replacing("prod;web", with: "test"))
        #expect(told.becomes { $0.first?.labels["test"] == "true" && $0.first?.labels["prod"] == nil })
        try write("qemu-server/100.conf", Self.machine.replacing("BC:24:11:00:00:01", with: "01:00:5e:00:00:01"))
        #expect(told.becomes { $0.map { $0.refusal == nil } == [false, true] })
        #expect(told.words.withLock { $0 }.contains { $0.contains("qemu-server/100.conf: net0: \"01:00") })
        try FileManager.default.removeItem(atPath: "\(folder)/lxc/101.conf")
        #expect(told.becomes { $0.map { $0.refusal == nil } == [false] })
    }
}
