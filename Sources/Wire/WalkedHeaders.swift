// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The headers between IP and L4 that are walked: IPv6 extension headers, and AH.
public enum WalkedHeaders {
    /// Protocol numbers, in the order of their flags in `bh_packet`.
    public static let numbers: [UInt8] = [0, 43, 44, 51, 60]

    /// Whether a header of this protocol may come before L4, in some version of IP.
    public static func contains(_ number: UInt8) -> Bool { numbers.contains(number) }

    /// The headers in a packet's flags.
    static func numbers(flags: UInt32) -> Set<UInt8> {
        numbers(ofSet: UInt8(truncatingIfNeeded: flags >> UInt32(BH_PACKET_HEADERS_SHIFT)))
    }

    /// The headers of a set with a bit for each, as flows have it.
    package static func numbers(ofSet set: UInt8) -> Set<UInt8> {
        Set(numbers.indices.filter { set >> UInt8($0) & 1 == 1 }.map { numbers[$0] })
    }

    /// The index of a set of headers in a table by set: a bit per header.
    package static func index(_ headers: Set<UInt8>) -> Int {
        numbers.indices.reduce(0) { headers.contains(numbers[$1]) ? $0 | 1 << $1 : $0 }
    }
}
