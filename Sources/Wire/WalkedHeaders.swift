// SPDX-License-Identifier: Apache-2.0
import CDatapathABI

/// The headers that may stand between IP and L4 and are walked: extension headers of IPv6, and AH.
public enum WalkedHeaders {
    /// In the order of their flags in `bh_packet`.
    public static let numbers: [UInt8] = [0, 43, 44, 51, 60]

    /// Whether a protocol's number is found before L4 too, in IP packets of some version.
    public static func contains(_ number: UInt8) -> Bool { numbers.contains(number) }

    /// The headers that a packet's flags tell of.
    static func numbers(flags: UInt32) -> Set<UInt8> {
        let set = flags >> UInt32(BH_PACKET_HEADERS_SHIFT)
        return Set(numbers.indices.filter { set >> UInt32($0) & 1 == 1 }.map { numbers[$0] })
    }

    /// Where a set of headers stands in a table by set, one bit per header.
    package static func index(_ headers: Set<UInt8>) -> Int {
        numbers.indices.reduce(0) { headers.contains(numbers[$1]) ? $0 | 1 << $1 : $0 }
    }
}
