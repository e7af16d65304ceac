// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// A C structure as an object's type information (BTF) describes it.
public struct StructureLayout: Sendable, Hashable {
    public struct Field: Sendable, Hashable {
        public var name: String
        /// Bytes from the structure's start.
        public var offset: Int
        /// Bytes; nil if the information does not tell.
        public var size: Int?

        public init(name: String, offset: Int, size: Int?) {
            self.name = name
            self.offset = offset
            self.size = size
        }
    }

    public var name: String
    public var size: Int
    public var fields: [Field]

    public init(name: String, size: Int, fields: [Field]) {
        self.name = name
        self.size = size
        self.fields = fields
    }
}

extension Object {
    /// The named structures that the object's programs and maps mention.
    public var structures: [String: StructureLayout] {
        guard let btf = unsafe bpf_object__btf(pointer) else { return [:] }
        var result: [String: StructureLayout] = [:]
        for id in unsafe 1..<btf__type_cnt(btf) {
            guard let type = unsafe btf__type_by_id(btf, id), unsafe btf_is_struct(type),
                let name = unsafe btf__name_by_offset(btf, type.pointee.name_off).map({ unsafe String(cString: $0) }),
                !name.isEmpty
            else { continue }
            let count = unsafe Int(btf_vlen(type))
            let members = unsafe UnsafeBufferPointer(start: btf_members(type), count: count)
            var fields: [StructureLayout.Field] = []
            for index in members.indices {
                let member = unsafe members[index]
                let size = unsafe btf__resolve_size(btf, member.type)
                fields.append(
                    StructureLayout.Field(
                        name: unsafe btf__name_by_offset(btf, member.name_off).map { unsafe String(cString: $0) } ?? "",
                        offset: unsafe Int(btf_member_bit_offset(type, UInt32(index))) / 8,
                        size: size >= 0 ? Int(size) : nil))
            }
            result[name] = unsafe StructureLayout(name: name, size: Int(type.pointee.size), fields: fields)
        }
        return result
    }
}
