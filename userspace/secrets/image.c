/* SPDX-License-Identifier: MIT */
#include "secrets/image.h"

#include <ctype.h>
#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- by symbols */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Mangled either way: _ZN4ring4hmac3Key3new17h...E, or _R...4ring4hmac..3Key3new. */
static bool is_ring_hmac_key(const char *name)
{
	if (strncmp(name, "_ZN4ring4hmac3Key", 17) == 0)
		return strncmp(name + 17, "3new17h", 7) == 0 || strncmp(name + 17, "7try_new17h", 11) == 0;
	return strncmp(name, "_R", 2) == 0 && strstr(name, "4ring4hmac") &&
	       (ends_with(name, "3Key3new") || ends_with(name, "3Key7try_new"));
}

/* The hook that belongs to a function of that name, or -1. */
static int hook_of(const char *name)
{
	if (strcmp(name, "EVP_KDF_derive") == 0)
		return HOOK_OPENSSL_3_DERIVE;
	if (strcmp(name, "EVP_PKEY_CTX_ctrl") == 0)
		return HOOK_OPENSSL_1_CTRL;
	if (strncmp(name, "aws_lc_", 7) == 0 && ends_with(name, "_HKDF_expand"))
		return HOOK_AWS_LC_EXPAND;
	if (strncmp(name, "aws_lc_", 7) == 0 && ends_with(name, "_CRYPTO_tls1_prf"))
		return HOOK_AWS_LC_PRF;
	return is_ring_hmac_key(name) ? HOOK_RING_HMAC_KEY : -1;
}

/* Where the bytes of a virtual address are in the file, or 0. */
static uint64_t offset_of(Elf *elf, uint64_t address)
{
	size_t count;
	GElf_Phdr segment;

	if (elf_getphdrnum(elf, &count))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(elf, i, &segment) && segment.p_type == PT_LOAD && (segment.p_flags & PF_X) &&
		    address >= segment.p_vaddr && address < segment.p_vaddr + segment.p_filesz)
			return address - segment.p_vaddr + segment.p_offset;
	return 0;
}

static void add_hook(struct image *image, enum hook hook, uint64_t offset)
{
	if (!offset || image->hook_count == IMAGE_HOOKS_MAX)
		return;
	for (size_t i = 0; i < image->hook_count; i++)
		if (image->hooks[i].offset == offset)
			return;
	image->hooks[image->hook_count++] = (struct image_hook){hook, offset};
}

static void read_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct image *image)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Sym symbol;

	for (size_t i = 0; data && i < count && gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(elf, header->sh_link, symbol.st_name);
		int hook;

		if (!name || GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
			continue;
		hook = hook_of(name);
		if (hook >= 0)
			add_hook(image, hook, offset_of(elf, symbol.st_value));
	}
	if (header->sh_type == SHT_SYMTAB)
		image->stripped = false;
}

/* OpenSSL 3 has both functions, and tells more at the one that 1.1.1 lacks. */
static void prefer_openssl_3(struct image *image)
{
	bool has_3 = false;
	size_t kept = 0;

	for (size_t i = 0; i < image->hook_count; i++)
		has_3 |= image->hooks[i].hook == HOOK_OPENSSL_3_DERIVE;
	for (size_t i = 0; i < image->hook_count; i++)
		if (!has_3 || image->hooks[i].hook != HOOK_OPENSSL_1_CTRL)
			image->hooks[kept++] = image->hooks[i];
	image->hook_count = kept;
}

/* ------------------------------------------------------------------------------------------- by strings */

/* What each library leaves in a program, and the name it goes by; the version follows. */
static const struct {
	const char *mark, *name;
} marks[] = {
    {"OpenSSL 3.", "OpenSSL 3."},    {"OpenSSL 1.", "OpenSSL 1."}, {"/aws-lc-fips-sys-", "aws-lc-fips-sys "},
    {"/aws-lc-sys-", "aws-lc-sys "}, {"/ring-0.", "ring 0."},
};

/* A version: digits and dots, and OpenSSL 1.1.1's letter. */
static size_t version_len(const char *at, size_t left)
{
	size_t len = 0;

	while (len < left && len < 16 && (isdigit((unsigned char)at[len]) || at[len] == '.'))
		len++;
	return len < left && len && islower((unsigned char)at[len]) ? len + 1 : len;
}

static void read_strings(Elf_Scn *section, struct image *image)
{
	Elf_Data *data = elf_rawdata(section, NULL);

	for (size_t i = 0; data && data->d_buf && i < sizeof(marks) / sizeof(*marks) && !image->library[0];
	     i++) {
		size_t mark = strlen(marks[i].mark);
		const char *at = memmem(data->d_buf, data->d_size, marks[i].mark, mark);
		size_t left = at ? (const char *)data->d_buf + data->d_size - at - mark : 0;

		if (at)
			snprintf(image->library, sizeof(image->library), "%s%.*s", marks[i].name,
				 (int)version_len(at + mark, left), at + mark);
	}
}

/* -------------------------------------------------------------------------------------------- the file */

/* libssl and programs name OpenSSL's version as well, but their keys are derived in the shared libcrypto. */
static bool needs_libcrypto(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
	GElf_Dyn entry;

	for (size_t i = 0; data && i < count && gelf_getdyn(data, i, &entry); i++) {
		const char *name =
		    entry.d_tag == DT_NEEDED ? elf_strptr(elf, header->sh_link, entry.d_un.d_val) : NULL;

		if (name && strncmp(name, "libcrypto.so", 12) == 0)
			return true;
	}
	return false;
}

static void read_sections(Elf *elf, struct image *image)
{
	bool shared = false;
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM)
			read_symbols(elf, section, &header, image);
		else if (header.sh_type == SHT_DYNAMIC)
			shared = needs_libcrypto(elf, section, &header);
		else if (header.sh_type == SHT_PROGBITS && (header.sh_flags & SHF_ALLOC) &&
			 !(header.sh_flags & (SHF_EXECINSTR | SHF_WRITE)))
			read_strings(section, image);
	}
	prefer_openssl_3(image);
	if (shared && strncmp(image->library, "OpenSSL", 7) == 0)
		image->library[0] = '\0';
}

int image_read(int fd, struct image *out)
{
	Elf *elf;
	GElf_Ehdr header;
	int err = -ENOEXEC;

	*out = (struct image){.stripped = true};
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
	    header.e_ident[EI_CLASS] == ELFCLASS64) {
		read_sections(elf, out);
		err = 0;
	}
	elf_end(elf);
	return err;
}
