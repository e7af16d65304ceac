// SPDX-License-Identifier: Apache-2.0
import Host
import Network
import Policy
import TestSupport
import Testing

@testable import Datapath

@Suite struct InventoryTests {
    @Test func devicesAreToldAsTheyAre() throws {
        let lab = try Lab()
        let host = try lab.namespace("host")
        let guest = try lab.namespace("guest")
        try lab.veth((host, "v0"), (guest, "eth0"))
        try lab.bridge(host, "br0", ports: ["v0"])
        try lab.address(host, "br0", "192.0.2.1/24", "2001:db8::1/64")
        try Shell.check(
            "sh", "-ec", "[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }")
        try host.run("ip", "tuntap", "add", "tap0", "mode", "tap")
        try host.run("ip", "tuntap", "add", "tun0", "mode", "tun")
        try host.run("ip", "address", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", "tun0")
        let long = String(repeating: "v0-", count: 40)
        try host.run("ip", "link", "property", "add", "dev", "v0", "altname", "cable", "altname", long)
        let inventory = try HostInventory.read(namespaces: [host.name, "\(lab.id)-none"])
        #expect(inventory.namespaces["\(lab.id)-none"] == nil)
        let space = try #require(inventory.namespaces[host.name])
        #expect(space.inode == NetworkNamespace.inode(host.name))
        #expect(space.inode != inventory.namespaces[nil]?.inode)
        let devices = Dictionary(uniqueKeysWithValues: space.interfaces.map { ($0.name, $0) })
        #expect(devices["v0"]?.kind == .veth)
        #expect(devices["v0"]?.bridge == "br0")
        #expect(devices["v0"]?.alternativeNames == ["cable", long])
        #expect(devices["br0"]?.alternativeNames == [])
        #expect(devices["br0"]?.kind == .bridge)
        #expect(devices["br0"]?.bridge == nil)
        #expect(devices["tap0"]?.kind == .tap)
        #expect(devices["tap0"]?.isEthernet == true)
        // A link without MAC addresses, and an address whose message gives the peer first.
        #expect(devices["tun0"]?.isEthernet == false)
        #expect(devices["tun0"]?.mac == nil)
        #expect(devices["tun0"]?.addresses.map(\.description) == ["198.51.100.1"])
        #expect(devices["lo"]?.kind == .loopback)
        #expect(devices["lo"]?.isEthernet == false)
        let addresses = try #require(devices["br0"]?.addresses)
        #expect(addresses.map(\.description).filter { !$0.hasPrefix("fe80") }.sorted() == ["192.0.2.1", "2001:db8::1"])
        let mac = try #require(devices["v0"]?.mac)
        #expect(try host.run("ip", "link", "show", "v0").contains("link/ether \(mac) "))
        #expect(inventory.namespaces[nil]?.interfaces.contains { $0.name == "lo" } == true)
    }

    /// Any bytes can be a name; two names that are not UTF-8 look the same as text.
    @Test func aNameThatIsNotTextIsTold() throws {
        let lab = try Lab()
        let host = try lab.namespace("host")
        try host.run(
            "sh", "-ec",
            """
            ip tuntap add "$(printf 'd\\377')" mode tap
            ip tuntap add "$(printf 'd\\303\\251')" mode tap
            ip link property add dev "$(printf 'd\\303\\251')" altname cable altname "$(printf 'c\\376')"
            """)
        let devices = try #require(try HostInventory.read(namespaces: [host.name]).namespaces[host.name]).interfaces
        #expect(devices.filter { !$0.isNameText }.map(\.name) == ["d\u{fffd}"])
        #expect(devices.first { $0.name == "d\u{e9}" }?.alternativeNames == ["cable"])
    }

    @Test func theThreadComesBack() throws {
        let lab = try Lab()
        let space = try lab.namespace("a")
        let before = NetworkNamespace.inode(nil)
        let inside = try NetworkNamespace.with(space.name) { () throws(DatapathError) in NetworkNamespace.inode(nil) }
        #expect(inside == NetworkNamespace.inode(space.name))
        #expect(NetworkNamespace.inode(nil) == before)
        #expect(throws: DatapathError.self) {
            try NetworkNamespace.with(space.name) { () throws(DatapathError) in throw DatapathError("stop") }
        }
        #expect(NetworkNamespace.inode(nil) == before)
        let missing = #expect(throws: DatapathError.self) {
            try NetworkNamespace.with("\(lab.id)-none") { () throws(DatapathError) in }
        }
        #expect(missing?.message.contains("\(lab.id)-none") == true)
    }
}
