import CDatapathABI
import Policy

/// Cuts the sets of headers that may stand between IP and L4 into classes that no rule's services tell apart:
/// `proto/51` matches a packet wherever in it such a header stands, and whatever it carries besides.
struct HeaderClasses {
    /// The headers that are walked, in the order of their flags.
    static let numbers: [UInt8] = [0, 43, 44, 51, 60]

    /// By set of headers, a bit each in that order.
    private(set) var classes: [UInt8] = []
    /// The service lists each class is in. Class 0 is in none, and is that of a packet without such headers.
    private(set) var members = SequenceTable<UInt32>.withEmpty

    /// - Parameter lists: The distinct `services` of the policy's rules.
    init(_ lists: [[Service]?]) {
        let naming = HeaderClasses.numbers.map { number in
            lists.indices.filter { lists[$0]?.contains(.protocol(number)) ?? false }
        }
        for set in 0..<Int(BH_HEADER_SETS) {
            let present = naming.indices.filter { set >> $0 & 1 == 1 }
            let lists = Set(present.flatMap { naming[$0] }).sorted().map { UInt32($0) }
            classes.append(UInt8(members.intern(lists)))
        }
    }

    /// Where a set of headers stands in ``classes``.
    static func index(_ headers: Set<UInt8>) -> Int {
        numbers.indices.reduce(0) { headers.contains(numbers[$1]) ? $0 | 1 << $1 : $0 }
    }

    /// The headers that a packet's flags tell of.
    static func numbers(flags: UInt32) -> Set<UInt8> {
        let set = flags >> UInt32(BH_PACKET_HEADERS_SHIFT)
        return Set(numbers.indices.filter { set >> UInt32($0) & 1 == 1 }.map { numbers[$0] })
    }

    /// Whether a protocol's number is found before L4 too, in IP packets of some version.
    static func isWalked(_ number: UInt8) -> Bool { numbers.contains(number) }

    /// Where the classes stand in an image.
    static let offset = MemoryLayout<bh_image_header>.offset(of: \.header_classes) ?? 0
}
