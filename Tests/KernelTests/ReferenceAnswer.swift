// SPDX-License-Identifier: Apache-2.0
import Compiler
import Network
import Wire

/// The answer to a rejected packet according to the RFCs, built from nothing. The program, which builds it from the
/// packet, must produce the same.
enum ReferenceAnswer {
    /// The whole frame without padding; nil if there must be no answer.
    ///
    /// - Parameter frame: The whole rejected frame.
    static func make(_ frame: [UInt8], _ packet: Packet) -> [UInt8]? {
        guard let source = packet.source, let destination = packet.destination, isAnswerable(frame, packet) else {
            return nil
        }
        let start = packet.l3Offset
        let datagram = Array(frame[start..<end(frame, packet)])
        let answer =
            packet.ipProtocol == 6
            ? reset(packet, from: destination, to: source) : error(about: datagram, from: destination, to: source)
        return Array(frame[6..<12]) + Array(frame[0..<6]) + Array(frame[12..<start]) + answer
    }

    /// The end of the datagram in the frame, as its length field says.
    static func end(_ frame: [UInt8], _ packet: Packet) -> Int {
        let start = packet.l3Offset
        return packet.family == .v4
            ? start + Int(frame[start + 2]) << 8 + Int(frame[start + 3])
            : start + 40 + Int(frame[start + 4]) << 8 + Int(frame[start + 5])
    }

    private static func isAnswerable(_ frame: [UInt8], _ packet: Packet) -> Bool {
        guard packet.fragment != .later, frame[0] & 1 == 0, frame[6] & 1 == 0,
            [packet.source, packet.destination].allSatisfy({ $0.map(isOneHost) ?? false })
        else { return false }
        switch (packet.family, packet.ipProtocol) {
        case (_, 6): return packet.hasL4 && packet.tcpFlags & 4 == 0
        case (.v4, 1): return packet.hasL4 && [0, 8, 13, 14, 15, 16, 17, 18, 42, 43].contains(packet.type)
        case (.v6, 58): return packet.hasL4 && packet.type >= 128 && packet.type != 137
        default: return true
        }
    }

    private static func isOneHost(_ address: IPAddress) -> Bool {
        let others: [String] = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8"]
        return !others.contains { (try? Prefix(parsing: $0))?.contains(address) == true }
    }

    private static func reset(_ packet: Packet, from source: IPAddress, to destination: IPAddress) -> [UInt8] {
        var bytes = big(packet.destinationPort) + big(packet.sourcePort)
        if packet.tcpFlags & 16 != 0 {
            bytes += big(packet.acknowledgement) + big(UInt32(0)) + [0x50, 4]
        } else {
            let length = packet.payload + (packet.tcpFlags & 2 != 0 ? 1 : 0) + (packet.tcpFlags & 1 != 0 ? 1 : 0)
            bytes += big(UInt32(0)) + big(packet.sequence &+ UInt32(length)) + [0x50, 20]
        }
        bytes += [0, 0, 0, 0, 0, 0]
        bytes.replaceSubrange(16..<18, with: checksum(pseudo(source, destination, 6, bytes.count) + bytes))
        return header(source, destination, 6, bytes.count, service: 0) + bytes
    }

    private static func error(about datagram: [UInt8], from source: IPAddress, to destination: IPAddress) -> [UInt8] {
        let isV4 = source.family == .v4
        let quoted = datagram.prefix(isV4 ? 576 - 28 : 1280 - 48)
        var bytes: [UInt8] = (isV4 ? [3, 13] : [1, 1]) + [0, 0, 0, 0, 0, 0] + quoted
        let sum = checksum((isV4 ? [] : pseudo(source, destination, 58, bytes.count)) + bytes)
        bytes.replaceSubrange(2..<4, with: sum)
        return header(source, destination, isV4 ? 1 : 58, bytes.count, service: isV4 ? 0xc0 : 0) + bytes
    }

    private static func header(
        _ source: IPAddress, _ destination: IPAddress, _ number: UInt8, _ length: Int, service: UInt8
    ) -> [UInt8] {
        guard source.family == .v4 else {
            return [0x60, 0, 0, 0] + big(UInt16(length)) + [number, 64] + source.bytes + destination.bytes
        }
        var bytes = [0x45, service] + big(UInt16(20 + length)) + [0, 0, 0x40, 0, 64, number, 0, 0]
        bytes += source.bytes + destination.bytes
        bytes.replaceSubrange(10..<12, with: checksum(bytes))
        return bytes
    }

    private static func pseudo(_ source: IPAddress, _ destination: IPAddress, _ number: UInt8, _ length: Int) -> [UInt8]
    {
        source.bytes + destination.bytes + big(UInt32(length)) + big(UInt32(number))
    }

    private static func big<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number) -> [UInt8] {
        (0..<Number.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: number >> Number(8 * $0)) }
    }

    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var sum = 0
        for (place, byte) in bytes.enumerated() { sum += Int(byte) << (place % 2 == 0 ? 8 : 0) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return big(~UInt16(sum))
    }
}
