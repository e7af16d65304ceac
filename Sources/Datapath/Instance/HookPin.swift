// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The pin of a program on one hook of one device, as the pin's name describes it.
///
/// A link knows its device, so its pin is called `DEVICE-HOOK`. A clsact filter does not, so its pin also says where it
/// is: `DEVICE-HOOK-IFINDEX-NAMESPACE`, with `-new` while it replaces another. So a filter can be found even if the
/// policy in force does not know it.
struct HookPin: Sendable, Hashable {
    var device: UInt16
    var hook: HookName
    /// Only of a filter: the device's index and the inode of its network namespace.
    var place: Place?
    var isNew = false

    struct Place: Sendable, Hashable {
        var interface: UInt32
        var namespaceInode: UInt64
    }

    var name: String {
        let place = place.map { "-\($0.interface)-\($0.namespaceInode)" } ?? ""
        return "\(device)-\(hook.rawValue)\(place)\(isNew ? "-new" : "")"
    }

    init(device: UInt16, hook: HookName, place: Place? = nil, isNew: Bool = false) {
        self.device = device
        self.hook = hook
        self.place = place
        self.isNew = isNew
    }

    /// Reads a pin's name; nil if it is not one.
    init?(_ name: String) {
        var words = name.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        isNew = words.last == "new"
        if isNew { words.removeLast() }
        guard let device = UInt16(words.removeFirst()) else { return nil }
        self.device = device
        let hook = HookName.allCases.first { words.joined(separator: "-").hasPrefix($0.rawValue) }
        guard let hook else { return nil }
        self.hook = hook
        words.removeFirst(hook.rawValue.split(separator: "-").count)
        if words.count == 2, let interface = UInt32(words[0]), let inode = UInt64(words[1]) {
            place = Place(interface: interface, namespaceInode: inode)
        } else if !words.isEmpty {
            return nil
        }
    }
}
