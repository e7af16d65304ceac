// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// Lays out an image. Small tables that every packet reads come first; what only people read comes last.
struct ImageAssembly {
    private let ruleset: Ruleset
    private let terms: RuleTerms
    private let symmetry: Symmetry
    /// Entries at which something passes without a flow.
    private let untracked: Set<Int>
    private let classes: Classes
    private let records: PortRecords
    private let budget: Budget
    private var writer: ImageWriter
    private var header = bh_image_header()
    private var strings: StringTable
    private var fileNumbers: [String: UInt16] = [:]
    private var lastFile: (location: SourceLocation, number: UInt16)?
    private var conditions = Conditions()
    private var notes: [bh_note] = []

    init(_ terms: RuleTerms, _ classes: Classes, _ budget: Budget) {
        ruleset = terms.ruleset
        self.terms = terms
        symmetry = Symmetry(ruleset)
        untracked = symmetry.entries.union(ruleset.statelessEntries)
        self.budget = budget
        writer = ImageWriter(budget, expecting: 1 << 21 + ruleset.rules.count * 256)
        strings = StringTable(expecting: ruleset.rules.count)
        self.classes = classes
        records = PortRecords(ruleset)
        for (number, file) in ruleset.files.enumerated() where fileNumbers[file.name] == nil {
            fileNumbers[file.name] = UInt16(number)
        }
    }

    consuming func image() throws(CompileError) -> Image {
        header.magic = BH_IMAGE_MAGIC
        header.format = UInt32(BH_IMAGE_FORMAT)
        header.adopt = UInt32(clamping: ruleset.adopt)
        if ruleset.isVLANSensitive { header.flags |= BH_IMAGE_VLAN_SENSITIVE.rawValue }
        if ruleset.rejects { header.flags |= BH_IMAGE_REJECTS.rawValue }
        _ = try writer.reserve(1, of: bh_image_header.self)
        let devicePorts = try writer.reserve(Int(BH_DEVICES_MAX), of: UInt16.self)
        try writePorts()
        try writePlaces()
        try writeServices()
        try writeAddresses()
        // The records come first, because they collect the conditions.
        let rules = terms.terms.indices.map { record(ofRule: $0) }
        try writeLists()
        header.layers = try writer.append(layers())
        header.layer_count = UInt32(ruleset.layers.count)
        let devices = try writer.reserve(Int(BH_DEVICES_MAX), of: bh_device.self)
        try writeRules(rules)
        try writeText()
        header.size = UInt64(writer.bytes.count)
        header.device_ports = devicePorts
        header.devices = devices
        unsafe withUnsafeMutableBytes(of: &header.header_classes) { unsafe $0.copyBytes(from: classes.headers.classes) }
        let sha256 = writer.seal(header)
        return Image(bytes: writer.bytes, sha256: sha256, statistics: statistics, ports: records)
    }

    private var statistics: Image.Statistics {
        var statistics = Image.Statistics()
        statistics.rules = terms.terms.last.map { $0.number + 1 } ?? 0
        statistics.addressClasses = classes.addressClasses.count
        statistics.nodes = classes.trie.nodes.count
        statistics.services = classes.services.members.count
        statistics.contexts = classes.contexts.members.count
        statistics.jointClasses = classes.joint.jointCount
        statistics.cells = classes.cells.count
        statistics.lists = classes.cells.lists.count
        statistics.longLists = classes.cells.lists.longCount
        statistics.bitmapItems = classes.bitmaps.items.count
        return statistics
    }

    // MARK: Where

    private mutating func writePorts() throws(CompileError) {
        var tags = SequenceTable<UInt64>()
        var tagRows: [Int] = []
        var ports = records.all.map { record in
            let entry = ruleset.entries[record.entry]
            var port = self.port(entry, record.entry, record.protects, unknownToDrop: record.unknownToDrop)
            let row = setVLANs(entry.vlanAdmission(record.protects), of: &port, &tags)
            tagRows.append(row)
            return port
        }
        try setIdentities(of: &ports)
        let words = Int(BH_VLANS) / 64
        let table = try writer.append(tags.elements)
        for index in ports.indices where ports[index].vlan_mode == UInt8(BH_VLAN_LIST.rawValue) {
            ports[index].vlans = table + UInt32(tagRows[index] * words * 8)
        }
        header.ports = try writer.append(ports)
        header.port_count = UInt32(ports.count)
        let whole = ruleset.entries.filter { $0.part == nil }
        header.selectors = try writer.append(whole.map { bh_selector($0, &strings) })
        header.selector_count = UInt32(whole.count)
    }

    private mutating func port(
        _ entry: PortEntry, _ number: Int, _ protects: Protects, unknownToDrop: Bool
    ) -> bh_port {
        var port = bh_port()
        let directions = Int(BH_DIRECTION_MAX.rawValue)
        port.protects = UInt8(protects.number)
        port.defaults = (UInt8(entry.defaults.in.number), UInt8(entry.defaults.out.number))
        if entry.defaults.essentials { port.flags |= BH_PORT_ESSENTIALS.rawValue }
        if unknownToDrop { port.flags |= BH_PORT_NOT_ADMITTED.rawValue }
        if symmetry.entries.contains(number) { port.flags |= BH_PORT_SYMMETRIC.rawValue }
        if entry.tcp == .strict { port.flags |= BH_PORT_TCP_STRICT.rawValue }
        if untracked.contains(number) { port.flags |= BH_PORT_UNTRACKED.rawValue }
        port.scopes = (
            classes.contexts.scopes[number * directions], classes.contexts.scopes[number * directions + 1]
        )
        port.name = strings.offset(of: entry.entryName)
        // What drops the packets of an unnamed member is the key `unknown`.
        let unknown = unknownToDrop ? entry.unknownLocation : nil
        let (inPlace, outPlace) = (unknown ?? entry.defaults.inLocation, unknown ?? entry.defaults.outLocation)
        port.default_lines = (UInt32(inPlace.line), UInt32(outPlace.line))
        port.default_files = (file(inPlace), file(outPlace))
        port.flow_share = UInt32(entry.maxFlows ?? PortEntry.flowTableSize / 4)
        port.line = UInt32(entry.location.line)
        port.file = file(entry.location)
        return port
    }

    private mutating func setIdentities(of ports: inout [bh_port]) throws(CompileError) {
        var lists: [bh_mac_list] = []
        for (index, row) in classes.identities.rows.enumerated() {
            ports[index].guards = row.guards
            if row.hasAddresses { ports[index].flags |= BH_PORT_HAS_ADDRESSES.rawValue }
            ports[index].v4 = row.v4.map { classes.trie.setRoots[$0] } ?? 0
            ports[index].v6 = row.v6.map { classes.trie.setRoots[$0] } ?? 0
            guard let list = row.macList else { continue }
            lists.append(list)
            // A number from 1 for now; replaced below by the list's offset.
            ports[index].macs = UInt32(lists.count)
        }
        let table = try writer.append(lists)
        for index in ports.indices where ports[index].macs != 0 {
            ports[index].macs = table + (ports[index].macs - 1) * UInt32(MemoryLayout<bh_mac_list>.stride)
        }
    }

    /// Sets the VLAN admission. Returns the row of its tags in `tags`, if it is a list.
    private func setVLANs(
        _ admission: VLANAdmission, of port: inout bh_port, _ tags: inout SequenceTable<UInt64>
    ) -> Int {
        switch admission {
        case .none: port.vlan_mode = UInt8(BH_VLAN_NONE.rawValue)
        case .any: port.vlan_mode = UInt8(BH_VLAN_ANY.rawValue)
        case .list(let list):
            port.vlan_mode = UInt8(BH_VLAN_LIST.rawValue)
            var words = [UInt64](repeating: 0, count: Int(BH_VLANS) / 64)
            for tag in list where Int(tag) < Int(BH_VLANS) { words[Int(tag) / 64] |= 1 << UInt64(tag % 64) }
            return tags.intern(words)
        }
        return 0
    }

    /// The number of a location's file; `UInt16.max` if the policy has no such file. Remembers the last file, because
    /// neighbours are usually of the same file.
    private mutating func file(_ location: SourceLocation) -> UInt16 {
        if let lastFile, lastFile.location.isInSameFile(as: location) { return lastFile.number }
        let number = fileNumbers[location.file] ?? .max
        lastFile = (location, number)
        return number
    }

    private mutating func writePlaces() throws(CompileError) {
        header.vlan_classes = try writer.append(classes.contexts.vlanClasses)
        header.vlan_count = UInt32(classes.contexts.vlanCount)
        header.contexts = try writer.append(classes.contexts.contexts)
        header.host_states = UInt32(classes.contexts.hostStates)
        header.host_questions = try writer.append(classes.contexts.hostQuestions)
        header.place_states = UInt32(classes.contexts.hostStates * classes.contexts.viaCount)
        header.via_count = UInt32(classes.contexts.viaCount)
        header.via_classes = try writer.append(classes.contexts.viaClasses)
        // An image that does not ask has no such table.
        header.links = try writer.reserve(classes.contexts.viaCount > 1 ? Int(BH_LINKS) : 0, of: UInt16.self)
        header.scope_count = UInt32(classes.contexts.scopeCount)
        header.context_count = UInt32(classes.contexts.members.count)
    }

    // MARK: Services

    private mutating func writeServices() throws(CompileError) {
        var blocks = KeyBlocks()
        let directories = classes.services.protocols.map { table in
            (table.first.map { blocks.directory(of: $0) }, table.second.map { blocks.directory(of: $0) })
        }
        let blockTable = try writer.append(blocks.elements)
        let blockBytes = UInt32(KeyBlocks.width * MemoryLayout<UInt16>.size)
        var records: [bh_protocol] = []
        for (table, (first, second)) in zip(classes.services.protocols, directories) {
            var record = bh_protocol()
            record.first_directory = BH_NONE
            record.second_directory = BH_NONE
            record.service = table.class
            record.stride = UInt32(table.stride)
            if let first {
                record.first_directory = try writer.append(first.map { blockTable + $0 * blockBytes })
                record.services = try writer.append(table.classes)
            }
            if let second { record.second_directory = try writer.append(second.map { blockTable + $0 * blockBytes }) }
            records.append(record)
        }
        header.protocols = try writer.append(records)
        header.service_count = UInt32(classes.services.members.count)
        header.joints = try writer.append(classes.joint.joints)
        header.joint_count = UInt32(classes.joint.jointCount)
        header.header_class_count = UInt32(classes.headers.members.count)
    }

    // MARK: Addresses

    private mutating func writeAddresses() throws(CompileError) {
        try budget.check("address nodes", classes.trie.nodes.count, atMost: \.tableEntries, by: .addresses)
        try budget.check("values of address nodes", classes.trie.values.count, atMost: \.tableEntries, by: .addresses)
        header.classes = try writer.append(classes.addressClasses)
        header.class_count = UInt32(classes.addressClasses.count)
        header.v4_root = try writer.append(classes.trie.v4Root)
        header.v6_root = classes.trie.v6Root
        header.nodes = try writer.append(classes.trie.nodes)
        header.values = try writer.append(classes.trie.values)
    }

    // MARK: Rules

    /// Writes how a packet finds its rules.
    private mutating func writeLists() throws(CompileError) {
        // Partitions without cells share one empty bucket, in which a look-up finds nothing.
        let noBuckets = bh_partition(buckets: try writer.reserve(1, of: bh_bucket.self), count: 1)
        var partitions: [bh_partition] = []
        for cells in classes.cells.partitions {
            guard !cells.isEmpty else {
                partitions.append(noBuckets)
                continue
            }
            let table = try BucketTable(cells, atMost: budget.limits.cells)
            partitions.append(bh_partition(buckets: try writer.append(table.slots), count: table.count))
        }
        header.partitions = (
            partitions[0], partitions[1], partitions[2], partitions[3], partitions[4], partitions[5], partitions[6],
            partitions[7], partitions[8]
        )
        header.lists = try writer.append(classes.cells.lists.entries)
        header.matches = try writer.append(try classes.cells.lists.rows(budget))
        header.match_words = UInt32(classes.joint.rowWidth)
        header.match_count = UInt32(classes.cells.lists.rowCount)
        let lists = conditions.macs.flatMap { [$0.from, $0.to].compactMap(\.self) }
        conditions.place(macs: try writer.append(lists))
        if !conditions.zones.isEmpty { conditions.place(zones: try writer.append(conditions.zones)) }
        header.additions = try writer.append(conditions.additions)
        header.connections = try writer.append(conditions.connections)
        header.conditions = try writer.append(conditions.records)
        header.condition_count = UInt32(conditions.records.count)
        header.chains = try writer.append(classes.cells.lists.chains)
        header.run_pages = try writer.append(classes.cells.lists.runPages)
        header.runs = try writer.append(classes.cells.lists.runs)
        header.run_values = try writer.append(classes.cells.lists.runValues)
        try writeBitmaps()
    }

    /// Writes what rules do and are called. An edit of that alone changes nothing before here, see ``ImageRevision``.
    private mutating func writeRules(_ rules: [bh_rule]) throws(CompileError) {
        header.covered = try writer.append(
            ruleset.covered.map { bh_covered(rule: UInt32($0.rule), cover: $0.cover.map { UInt32($0) } ?? BH_NONE) })
        header.covered_count = UInt32(ruleset.covered.count)
        header.rules = try writer.append(rules)
        header.rule_count = UInt32(rules.count)
        header.groups = try writer.append(ruleset.dynamicGroups.map { record(of: $0) })
        header.group_count = UInt32(ruleset.dynamicGroups.count)
        header.notes = try writer.append(notes)
        header.note_count = UInt32(notes.count)
    }

    private mutating func writeBitmaps() throws(CompileError) {
        header.bitmap_width = UInt32(classes.bitmaps.width)
        header.item_ranks = try writer.append(classes.bitmaps.ranks)
        header.joint_bitmaps = try writer.append(classes.jointBitmaps.ofJoint)
        header.joint_words = try writer.append(classes.jointBitmaps.words)
        header.source_words = try writer.append(classes.bitmaps.sourceWords)
        header.destination_words = try writer.append(classes.bitmaps.destinationWords)
    }

    private mutating func record(of group: DynamicGroup) -> bh_group {
        var record = bh_group()
        record.timeout = UInt64(group.timeout ?? 0) * 1_000_000_000
        record.maximum = UInt32(group.maximum)
        record.name = strings.offset(of: group.name)
        record.line = UInt32(group.location.line)
        record.file = file(group.location)
        return record
    }

    /// Reads the rule in place: copying each would take longer than everything else here.
    private mutating func record(ofRule rank: Int) -> bh_rule {
        let term = terms.terms[rank]
        var record = bh_rule()
        record.verdict = UInt8(ruleset.rules[rank].action.number)
        if ruleset.rules[rank].log { record.flags |= UInt8(BH_RULE_LOG.rawValue) }
        if ruleset.rules[rank].isStateless { record.flags |= UInt8(BH_RULE_STATELESS.rawValue) }
        if classes.cells.lists.isConditional[rank] {
            record.flags |= UInt8(BH_RULE_CONDITIONAL.rawValue)
            record.condition = conditions.add(ruleset.rules[rank], term, next: terms.next(after: rank))
        }
        record.number = UInt32(term.number)
        record.term = UInt16(term.term)
        record.terms_behind = UInt16(term.behind)
        let location = ruleset.rules[rank].location
        record.file = file(location)
        record.line = UInt32(location.line)
        record.name = strings.offset(of: ruleset.rules[rank].name)
        let isFirst = term.term == 0
        record.notes = notes.append(isFirst ? note(ofRule: rank) : nil, &strings)
        return record
    }

    private func note(ofRule rank: Int) -> RuleNote? {
        RuleNote(written: ruleset.rules[rank].comment, ruleset.rules[rank].tag, ruleset.rules[rank].meta)
    }

    /// The layers that the policy names, each with the rank of its first rule, or of the first after it.
    private mutating func layers() -> [bh_layer] {
        ruleset.layers.indices.map { layer in
            let first = ruleset.rules.firstIndex { $0.layer >= layer } ?? ruleset.rules.count
            return bh_layer(first: UInt32(first), name: strings.offset(of: ruleset.layers[layer]))
        }
    }

    // MARK: For people

    private mutating func writeText() throws(CompileError) {
        let names = ruleset.files.map { strings.offset(of: $0.name) }
        header.strings = try writer.append(strings.bytes)
        header.strings_size = UInt32(strings.bytes.count)
        var files: [bh_file] = []
        for (file, name) in zip(ruleset.files, names) {
            let size = UInt32(file.text.utf8.count)
            files.append(bh_file(name: name, text: try writer.append(file.text), size: size, pad: 0))
        }
        header.files = try writer.append(files)
        header.file_count = UInt32(ruleset.files.count)
        header.rules_text = UInt32(ruleset.rulesText?.lowerBound ?? 0)
        header.rules_text_end = UInt32(ruleset.rulesText?.upperBound ?? 0)
        writer.align(to: ImageWriter.line)
    }
}

extension Ruleset {
    fileprivate var isVLANSensitive: Bool { rules.indices.contains { rules[$0].vlans != nil } }

    /// Whether some rule or default rejects.
    fileprivate var rejects: Bool {
        rules.indices.contains { rules[$0].action == .reject }
            || entries.contains { $0.defaults.in == .reject || $0.defaults.out == .reject }
    }
}
