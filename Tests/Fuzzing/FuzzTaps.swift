// SPDX-License-Identifier: Apache-2.0
import Datapath
import Libbpf
import Simulation
import TestSupport

/// A guest's tap whose hook runs the simulator's program, and a second guest's behind a bridge. A test run knows
/// neither partial checksums nor types of super-packets; a tap takes both, in vnet headers.
public final class FuzzTaps {
    private let lab: Lab
    private let guest: Tap
    private let peer: Tap

    public init(_ simulator: Simulator) throws {
        lab = try Lab()
        let host = try lab.namespace("fuzz")
        guest = try Tap(host, "vm-a", offloads: true)
        peer = try Tap(host, "vm-b", offloads: false)
        try host.run(
            "sh", "-ec",
            """
            # The host itself says nothing.
            echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
            echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
            for name in arptables iptables ip6tables; do
                setting=/proc/sys/net/bridge/bridge-nf-call-$name
                ! test -e $setting || echo 0 > $setting
            done
            for device in vm-a vm-b; do ip link set $device mtu 9000 up; done
            """)
        try lab.bridge(host, "br0", ports: ["vm-a", "vm-b"])
        // Frames come from every address, and reach the other guest all the same.
        try host.run("sh", "-ec", "for port in vm-a vm-b; do bridge link set dev $port learning off; done")
        try attach(simulator, host)
        _ = peer.readAll()
    }

    private func attach(_ simulator: Simulator, _ host: Namespace) throws {
        let folder = try OpenFolder(path: "/sys/fs/bpf")
        let name = lab.id
        try simulator.pin(.tcIngress, at: Pin(name, in: folder))
        defer { try? folder.unpin(name) }
        try host.run("tc", "qdisc", "add", "dev", "vm-a", "clsact")
        try host.run(
            "tc", "filter", "add", "dev", "vm-a", "ingress", "bpf", "direct-action", "object-pinned",
            "/sys/fs/bpf/\(name)")
    }

    /// Sends a frame as the first guest. The kernel refuses some.
    public func send(_ frame: [UInt8], _ header: VnetHeader) { try? guest.write(header.bytes + frame) }

    /// What has come to the second guest since. What has come back to the first is thrown away.
    public func receive() -> [[UInt8]] {
        _ = guest.readAll()
        return peer.readAll()
    }
}
