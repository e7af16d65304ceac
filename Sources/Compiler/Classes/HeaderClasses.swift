// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Divides the possible sets of headers between IP and L4 into classes that no rule's services tell apart: `proto/51`
/// matches a packet with such a header anywhere, whatever else it carries.
package struct HeaderClasses {
    /// The class, by set of headers: a bit per header, in the order of ``WalkedHeaders/numbers``.
    private(set) var classes: [UInt8] = []
    /// By class: the service lists that it is in. Class 0 is in none, and holds packets without such headers.
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

    /// The offset of the classes in an image.
    package static let offset = MemoryLayout<bh_image_header>.offset(of: \.header_classes) ?? 0
}
