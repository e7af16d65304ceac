// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Cuts the sets of headers that may stand between IP and L4 into classes that no rule's services tell apart:
/// `proto/51` matches a packet wherever in it such a header stands, and whatever it carries besides.
package struct HeaderClasses {
    /// By set of headers, a bit each in that order.
    private(set) var classes: [UInt8] = []
    /// The service lists each class is in. Class 0 is in none, and is that of a packet without such headers.
    private(set) var members = SequenceTable<UInt32>.withEmpty

    /// - Parameter lists: The distinct `services` of the policy's rules.
    init(_ lists: [[Service]?]) {
        let naming = WalkedHeaders.numbers.map { number in
            lists.indices.filter { lists[$0]?.contains(.protocol(number)) ?? false }
        }
        for set in 0..<Int(BH_HEADER_SETS) {
            let present = naming.indices.filter { set >> $0 & 1 == 1 }
            let lists = Set(present.flatMap { naming[$0] }).sorted().map { UInt32($0) }
            classes.append(UInt8(members.intern(lists)))
        }
    }

    /// Where the classes stand in an image.
    package static let offset = MemoryLayout<bh_image_header>.offset(of: \.header_classes) ?? 0
}
