// SPDX-License-Identifier: Apache-2.0

/// A set of devices: some of those that the rules name, by their numbers, or all devices but some.
struct DeviceSet: Sendable, Hashable {
    /// Sorted.
    private let numbers: [Int]
    /// Whether it is all devices except `numbers`, those that no rule names among them.
    private let isComplement: Bool

    static let all = DeviceSet([], isComplement: true)
    /// The loopback device, which is never a port.
    static let loopback = DeviceSet([0])

    init(_ numbers: some Sequence<Int>) { self.init(numbers, isComplement: false) }

    private init(_ numbers: some Sequence<Int>, isComplement: Bool) {
        self.numbers = Set(numbers).sorted()
        self.isComplement = isComplement
    }

    var isEmpty: Bool { numbers.isEmpty && !isComplement }
    var isAll: Bool { numbers.isEmpty && isComplement }
    var complement: DeviceSet { DeviceSet(numbers, isComplement: !isComplement) }
    /// Whether devices that no rule names are in it.
    var hasOthers: Bool { isComplement }

    func contains(_ number: Int) -> Bool { numbers.contains(number) != isComplement }

    func intersection(_ other: DeviceSet) -> DeviceSet {
        if other.isAll { return self }
        if isAll { return other }
        return switch (isComplement, other.isComplement) {
        case (false, false): DeviceSet(numbers.filter(other.numbers.contains))
        case (false, true): DeviceSet(numbers.filter { !other.numbers.contains($0) })
        case (true, false): DeviceSet(other.numbers.filter { !numbers.contains($0) })
        case (true, true): DeviceSet(numbers + other.numbers, isComplement: true)
        }
    }

    func union(_ other: DeviceSet) -> DeviceSet { complement.intersection(other.complement).complement }

    func subtracting(_ other: DeviceSet) -> DeviceSet { intersection(other.complement) }

    func isSubset(of other: DeviceSet) -> Bool { other.isAll || subtracting(other).isEmpty }
}

/// The devices that a rule set names, numbered from 0, which is the loopback device.
struct DeviceNames: Sendable {
    /// As the rules write them: `eth0`, or `eth+` for all that begin with `eth`.
    private(set) var names = ["lo"]
    private var numbers = ["lo": 0]

    init(_ names: some Sequence<String>) {
        for name in Set(names).sorted() where numbers[name] == nil {
            numbers[name] = self.names.count
            self.names.append(name)
        }
    }

    /// Whether a policy can name such a device: it has no characters that the kernel refuses in names, nor those of
    /// patterns.
    static func isName(_ name: String) -> Bool {
        let text = name.hasSuffix("+") ? name.dropLast() : name[...]
        return text.utf8.count <= 15 && !["", ".", ".."].contains(name)
            && text.unicodeScalars.allSatisfy { scalar in
                OneLine.isPrintable(scalar) && !scalar.properties.isWhitespace
                    && !"/:*?[]+".unicodeScalars.contains(scalar)
            }
    }

    /// The devices that a name means, which must have been given before; a pattern means those that it matches too.
    func devices(_ name: String) -> DeviceSet {
        guard name.hasSuffix("+") else { return DeviceSet(numbers[name].map { [$0] } ?? []) }
        let start = name.dropLast()
        if start.isEmpty { return .all }
        return DeviceSet(names.indices.filter { names[$0].hasPrefix(start) })
    }
}
