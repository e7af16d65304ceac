// SPDX-License-Identifier: Apache-2.0
import Capture
import Datapath

extension Event {
    /// The packet as a capture has it: the first bytes, with the tag that the kernel keeps outside the frame put back
    /// in its place.
    package var frame: CapturedFrame {
        var bytes = header
        let inFrame = Event.tagsInFrame(header)
        if packet.vlanTags > inFrame, bytes.count >= 12 {
            // If the tag in the frame is the outer one, the one outside it is of VLAN 0.
            let tag = inFrame > 0 && !packet.hasInnerTag ? 0 : packet.outerVLAN
            bytes.insert(contentsOf: [0x81, 0, UInt8(tag >> 8), UInt8(tag & 255)], at: 12)
        }
        return CapturedFrame(bytes: bytes, originalLength: packet.length, time: time)
    }

    /// The device that it crossed, by the name that it has in its network namespace, and the port.
    package var captureInterface: CaptureInterface {
        guard let port else { return CaptureInterface() }
        let place = port.namespace.map { " in namespace \($0)" } ?? ""
        return CaptureInterface(name: port.interface, description: "port \(port.name)\(place)")
    }

    /// As the device sees it. `in` is received at a port of the host, and sent at a guest's.
    package var captureDirection: CaptureDirection? {
        port.map { ($0.protects == .host) == (direction == .in) ? .inbound : .outbound }
    }

    private static func tagsInFrame(_ bytes: [UInt8]) -> Int {
        var count = 0
        var offset = 12
        while offset + 1 < bytes.count, [0x8100, 0x88a8].contains(Int(bytes[offset]) << 8 | Int(bytes[offset + 1])) {
            count += 1
            offset += 4
        }
        return count
    }
}
