// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Reads what the configurations of guests and of the cluster say of their networks.
enum ProxmoxGuestReader {
    /// The configuration of a virtual machine or a container, up to its first snapshot.
    static func guest(
        _ source: ImportSource, _ number: Int, _ notes: inout [ImportedPolicy.Note]
    ) -> ProxmoxGuest {
        var guest = ProxmoxGuest(number: number)
        for (index, line) in lines(source.text).enumerated() {
            let text = ProxmoxLine.trimmed(line)
            if text.first == "[" { break }
            guard text.first != "#", let colon = text.firstIndex(of: ":") else { continue }
            let key = text[..<colon]
            let value = ProxmoxLine.trimmed(text[text.index(after: colon)...])
            let origin = Origin(file: source.name, line: index + 1, text: String(text))
            if key == "name" || key == "hostname" { guest.name = String(value) }
            guard key.hasPrefix("net"), key.utf8.count <= 5, let nic = ProxmoxName.number(key.dropFirst(3)),
                !guest.nics.contains(where: { $0.number == nic })
            else { continue }
            let device = device(value, nic, origin)
            if device.isFirewalled, device.mac == nil {
                notes.append(
                    .init(
                        kind: .leftOut, file: source.name, line: index + 1,
                        words: "\(origin.shown): its MAC address cannot be read, so nobody is held to it"))
            }
            guest.nics.append(device)
        }
        return guest
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
    }

    /// `virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1`, or `name=eth0,hwaddr=...,ip=198.51.100.9/24`.
    private static func device(_ value: Substring, _ number: Int, _ origin: Origin) -> ProxmoxGuest.NIC {
        var nic = ProxmoxGuest.NIC(number: number, origin: origin)
        for part in value.split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else { continue }
            let text = String(part[part.index(after: equals)...])
            switch part[..<equals] {
            case "hwaddr":
                nic.isContainer = true
                nic.mac = unicast(text)
            case "name", "type": nic.isContainer = true
            case "bridge": nic.bridge = text
            case "firewall": nic.isFirewalled = ["1", "yes", "on", "true"].contains(text.lowercased())
            case "ip", "ip6":
                guard let address = IPAddress(String(text.prefix { $0 != "/" })) else { continue }
                nic.addresses.append(address)
            case "trunks": nic.trunks = text
            // A virtual machine's NIC has its address behind its model.
            default: if let mac = unicast(text) { nic.mac = mac }
            }
        }
        return nic
    }

    private static func unicast(_ text: String) -> MACAddress? {
        MACAddress(text).flatMap { $0.isGroup || $0.value == 0 ? nil : $0 }
    }

    /// The nodes' addresses in each link, by lines such as `ring0_addr: 192.0.2.1`.
    static func links(_ source: ImportSource) -> [Int: [IPAddress]] {
        var links: [Int: [IPAddress]] = [:]
        for line in lines(source.text) {
            let text = ProxmoxLine.trimmed(line)
            guard text.hasPrefix("ring"), let colon = text.firstIndex(of: ":") else { continue }
            let key = text[..<colon].dropFirst(4)
            let value = ProxmoxLine.trimmed(text[text.index(after: colon)...])
            guard key.hasSuffix("_addr"), let link = ProxmoxName.number(key.dropLast(5)), link < 8,
                let address = IPAddress(String(value))
            else { continue }
            links[link, default: []].append(address)
        }
        return links
    }
}
