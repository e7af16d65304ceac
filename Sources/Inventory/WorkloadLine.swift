// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Network
import Policy

/// A line of JSON that tells something of workloads: `{"add": {...}}`, `{"remove": "ID"}` or `{"sync": [{...}]}`.
package struct WorkloadLine: Sendable {
    package var update: WorkloadUpdate
    /// Of a list that is kept: the source that told of the workload.
    var source: String?

    /// The most bytes of a line or a file.
    package static let limit = 16 << 20
    /// The most workloads of one source.
    package static let mostWorkloads = 10_000

    init(_ update: WorkloadUpdate, from source: String? = nil) {
        self.update = update
        self.source = source
    }

    /// The updates of a text with a line for each; empty lines are passed over.
    package static func read(_ text: [UInt8]) throws(WorkloadLineError) -> [WorkloadUpdate] {
        try lines(text).map(\.update)
    }

    static func lines(_ text: [UInt8]) throws(WorkloadLineError) -> [WorkloadLine] {
        var result: [WorkloadLine] = []
        for (number, line) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 > 0x20 }) else { continue }
            do {
                result.append(try JSONDecoder().decode(WrittenLine.self, from: Data(line)).line)
            } catch {
                throw WorkloadLineError("line \(number + 1): \(WorkloadLineError.words(error))")
            }
        }
        return result
    }

    var text: [UInt8] {
        guard case .add(let workload) = update else { return [] }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let written = WrittenLine(add: WrittenWorkload(workload, source), remove: nil, sync: nil)
        return (try? Array(encoder.encode(written))) ?? []
    }
}

/// What is wrong with a line.
package struct WorkloadLineError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    fileprivate static func words(_ error: any Error) -> String {
        switch error {
        case let error as WorkloadLineError: error.description
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\(place(context)) has another kind of value than is expected"
        case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        default: "this is not JSON"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        context.codingPath.last { $0.intValue == nil }.map { "\"\($0.stringValue)\"" } ?? "the line"
    }
}

// MARK: As it is written

private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension Decoder {
    /// A key that nobody reads is a mistake.
    fileprivate func refuseOthers<Key: CodingKey & CaseIterable>(than keys: Key.Type) throws {
        let known = Set(Key.allCases.map(\.stringValue))
        let written = try container(keyedBy: AnyKey.self).allKeys.map(\.stringValue)
        guard let other = written.sorted().first(where: { !known.contains($0) }) else { return }
        throw WorkloadLineError(
            "unknown key \"\(other)\"; expected one of \(Key.allCases.map(\.stringValue).joined(separator: ", "))")
    }
}

private struct WrittenLine: Codable {
    var add: WrittenWorkload?
    var remove: String?
    var sync: [WrittenWorkload]?

    enum CodingKeys: String, CodingKey, CaseIterable { case add, remove, sync }

    init(add: WrittenWorkload?, remove: String?, sync: [WrittenWorkload]?) {
        self.add = add
        self.remove = remove
        self.sync = sync
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseOthers(than: CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        add = try values.decodeIfPresent(WrittenWorkload.self, forKey: .add)
        remove = try values.decodeIfPresent(String.self, forKey: .remove)
        sync = try values.decodeIfPresent([WrittenWorkload].self, forKey: .sync)
        guard [add != nil, remove != nil, sync != nil].count(where: { $0 }) == 1 else {
            throw WorkloadLineError("expected one of \"add\", \"remove\" and \"sync\"")
        }
    }

    var line: WorkloadLine {
        get throws {
            if let add { return WorkloadLine(.add(try add.workload), from: add.source) }
            if let remove { return WorkloadLine(.remove(remove)) }
            return WorkloadLine(.sync(try (sync ?? []).map { try $0.workload }))
        }
    }
}

private struct WrittenWorkload: Codable {
    var id: String?
    var name: String
    var uuid: String?
    var labels: [String: String]?
    var interfaces: [WrittenInterface]?
    /// In a list that is kept.
    var was: [String]?
    var refused: String?
    var source: String?

    enum CodingKeys: String, CodingKey, CaseIterable { case id, name, uuid, labels, interfaces, was, refused, source }

    init(_ workload: Workload, _ source: String?) {
        id = workload.id
        name = workload.name
        uuid = workload.uuid
        labels = workload.labels.isEmpty ? nil : workload.labels
        interfaces = workload.interfaces.map { WrittenInterface($0) }
        was = workload.formerNames.isEmpty ? nil : workload.formerNames
        refused = workload.refusal
        self.source = source
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseOthers(than: CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        id = try values.decodeIfPresent(String.self, forKey: .id)
        name = try values.decode(String.self, forKey: .name)
        uuid = try values.decodeIfPresent(String.self, forKey: .uuid)
        labels = try values.decodeIfPresent([String: String].self, forKey: .labels)
        interfaces = try values.decodeIfPresent([WrittenInterface].self, forKey: .interfaces)
        was = try values.decodeIfPresent([String].self, forKey: .was)
        refused = try values.decodeIfPresent(String.self, forKey: .refused)
        source = try values.decodeIfPresent(String.self, forKey: .source)
    }

    var workload: Workload {
        get throws {
            guard !name.isEmpty, name.utf8.count <= 256 else {
                throw WorkloadLineError("a workload's name has 1 to 256 bytes")
            }
            return Workload(
                id: id ?? uuid ?? name, name: name, uuid: uuid, labels: labels ?? [:],
                interfaces: try (interfaces ?? []).map { try $0.interface }, formerNames: was ?? [], refusal: refused)
        }
    }
}

private struct WrittenInterface: Codable {
    var device: String?
    var mac: String?
    var addresses: [String]?

    enum CodingKeys: String, CodingKey, CaseIterable { case device, mac, addresses }

    init(_ interface: Workload.Interface) {
        device = interface.device
        mac = interface.mac.map { "\($0)" }
        addresses = interface.addresses?.map(\.description)
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseOthers(than: CodingKeys.self)
        let values = try decoder.container(keyedBy: CodingKeys.self)
        device = try values.decodeIfPresent(String.self, forKey: .device)
        mac = try values.decodeIfPresent(String.self, forKey: .mac)
        addresses = try values.decodeIfPresent([String].self, forKey: .addresses)
    }

    var interface: Workload.Interface {
        get throws {
            try Workload.Interface(checking: device, mac: mac, addresses: addresses)
        }
    }
}

extension Workload.Interface {
    /// An interface as a source writes it, if the words are what they should be.
    init(checking device: String?, mac: String? = nil, addresses: [String]? = nil) throws(WorkloadLineError) {
        // A name with characters of a pattern would mean other devices too.
        if let device, !KernelNames.isInterface(device) || Glob.isPattern(device) {
            throw WorkloadLineError("\"\(device)\" is not the name of a device")
        }
        self.init(device: device)
        if let mac {
            guard let parsed = MACAddress(mac), !parsed.isGroup else {
                throw WorkloadLineError("\"\(mac)\" is not the MAC address of a device")
            }
            self.mac = parsed
        }
        guard let addresses else { return }
        self.addresses = []
        for text in addresses {
            guard let prefix = try? Prefix(parsing: text),
                prefix.length >= 4 || prefix.length == prefix.family.bits,
                !WellKnown.notUnicast.contains(prefix.address)
            else { throw WorkloadLineError("\"\(text)\" is not an address or prefix of a device") }
            self.addresses?.append(prefix)
        }
    }
}
