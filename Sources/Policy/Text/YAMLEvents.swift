// SPDX-License-Identifier: Apache-2.0
internal import CLibyaml

/// One event of libyaml's parser.
struct YAMLEvent {
    enum Kind {
        case scalar, alias, sequenceStart, sequenceEnd, mappingStart, mappingEnd, documentStart, end
    }

    var kind: Kind
    /// A scalar's text, or an alias's name.
    var text = ""
    var isPlain = false
    var anchor: String?
    var hasTag = false
    /// Line and column count from 1; columns count Unicode scalars.
    var line: Int
    var column: Int
}

/// The events that libyaml finds in a UTF-8 text.
@safe final class YAMLEvents {
    // libyaml keeps pointers to the parser and to its input, so both need a stable address.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    /// The lines of every scalar and every bracketed collection that spans several lines.
    private(set) var spans: [ClosedRange<Int>] = []
    /// The start lines of the collections that are still open; nil for a collection without brackets.
    private var open: [Int?] = []

    init(_ bytes: [UInt8]) {
        unsafe parser = .allocate(capacity: 1)
        unsafe input = .allocate(capacity: max(bytes.count, 1))
        _ = unsafe input.update(fromContentsOf: bytes)
        unsafe parser.initialize(to: yaml_parser_t())
        unsafe yaml_parser_initialize(parser)
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next relevant event; `end` after the last one.
    func next() throws(YAMLError) -> YAMLEvent {
        while true {
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw failure() }
            defer { unsafe yaml_event_delete(&event) }
            unsafe note(event)
            if let result = unsafe YAMLEvents.convert(event) { return result }
        }
    }

    private func note(_ event: yaml_event_t) {
        let first = unsafe Int(event.start_mark.line) + 1
        let last = unsafe Int(event.end_mark.line) + 1
        switch unsafe event.type {
        case YAML_SCALAR_EVENT: if last > first { spans.append(first...last) }
        case YAML_SEQUENCE_START_EVENT:
            open.append(unsafe event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE ? first : nil)
        case YAML_MAPPING_START_EVENT:
            open.append(unsafe event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE ? first : nil)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            if let start = open.popLast() ?? nil, last > start { spans.append(start...last) }
        default: break
        }
    }

    private static func convert(_ event: yaml_event_t) -> YAMLEvent? {
        let line = unsafe Int(event.start_mark.line) + 1
        let column = unsafe Int(event.start_mark.column) + 1
        func plain(_ kind: YAMLEvent.Kind) -> YAMLEvent { YAMLEvent(kind: kind, line: line, column: column) }
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            var result = plain(.scalar)
            result.text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            result.isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            result.anchor = unsafe string(scalar.anchor)
            result.hasTag = unsafe scalar.tag != nil
            return result
        case YAML_ALIAS_EVENT:
            var result = plain(.alias)
            result.text = unsafe string(event.data.alias.anchor) ?? ""
            return result
        case YAML_SEQUENCE_START_EVENT:
            var result = plain(.sequenceStart)
            result.anchor = unsafe string(event.data.sequence_start.anchor)
            result.hasTag = unsafe event.data.sequence_start.tag != nil
            return result
        case YAML_MAPPING_START_EVENT:
            var result = plain(.mappingStart)
            result.anchor = unsafe string(event.data.mapping_start.anchor)
            result.hasTag = unsafe event.data.mapping_start.tag != nil
            return result
        case YAML_SEQUENCE_END_EVENT: return plain(.sequenceEnd)
        case YAML_MAPPING_END_EVENT: return plain(.mappingEnd)
        case YAML_DOCUMENT_START_EVENT: return plain(.documentStart)
        case YAML_STREAM_END_EVENT: return plain(.end)
        default: return nil
        }
    }

    private static func string(_ pointer: UnsafeMutablePointer<UInt8>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }

    private func failure() -> YAMLError {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "out of memory"
        let start = unsafe parser.pointee.context_mark
        let context = unsafe parser.pointee.context.map {
            unsafe String(cString: $0) + " (from \(start.line + 1):\(start.column + 1)): "
        }
        let mark = unsafe parser.pointee.problem_mark
        let isReader = unsafe parser.pointee.error == YAML_READER_ERROR
        return YAMLError(
            line: Int(mark.line) + 1, column: Int(mark.column) + 1, message: (context ?? "") + problem,
            offset: isReader ? unsafe Int(parser.pointee.problem_offset) : nil)
    }
}
