// SPDX-License-Identifier: Apache-2.0
import Libbpf
import Testing

@Suite struct BPFErrorTests {
    @Test func theVerifiersLastWordIsTheSummary() {
        let log = """
            0: R1=ctx(off=0,imm=0) R10=fp0
            ; return skb->len;
            1: (61) r0 = *(u32 *)(r1 +400)
            invalid bpf_context access off=400 size=4
            processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
            """
        let error = BPFError("load program", "probe", errno: 13, log: log)
        #expect(error.verifierSummary == "invalid bpf_context access off=400 size=4")
        #expect(
            error.description
                == "load program probe: Permission denied; the verifier: invalid bpf_context access off=400 size=4")
    }

    @Test func withoutALogLibbpfsLastLineIsTold() {
        let error = BPFError("open", "junk", errno: 22, messages: "libbpf: elf: first\nlibbpf: elf: last\n")
        #expect(error.verifierSummary == nil)
        #expect(error.description == "open junk: Invalid argument; libbpf: elf: last")
        #expect(BPFError("pin map", "x", errno: 2).description == "pin map x: No such file or directory")
    }

    @Test func libbpfsWordsGoIntoTheError() {
        let error = #expect(throws: BPFError.self) { _ = try Object([0x7f, 0x45, 0x4c, 0x46], name: "cut") }
        #expect(error?.messages.contains("libbpf") == true)
        #expect(error?.errno.rawValue != 0)
    }
}
